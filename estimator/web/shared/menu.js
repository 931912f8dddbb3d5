// Links of the menu stay in the session, carry the inputs that both pages share, and open a page as
// it was left. Esc or a click outside closes an open group.
(() => {
  if (window.twentyWattsPages) { return; }
  window.twentyWattsPages = true;
  const WORK = ["params", "tokens", "preset", "active_params", "config", "flop", "samples",
    "sample_flop", "device_hours", "finetune"];
  const opened = () => [...document.querySelectorAll(".tw-nav details[open]")];
  const pairs = (link) => (link?.dataset.carries || "").split(" ").filter(Boolean)
    .map((pair) => pair.split("="));
  const kept = {};
  const path = (link) => new URL(link.href).pathname;
  const complete = (link) => {
    const from = document.querySelector(".tw-nav [aria-current]");
    if (link.hreflang || !from || path(link) === path(from)) { return; }
    const marker = document.querySelector("[data-scenario]");
    const shared = new URLSearchParams(marker?.dataset.shares ?? "");
    kept[path(from)] = { query: marker?.dataset.scenario ?? "", shared };
    const url = new URL(link.href), spoken = url.searchParams.get("lang");
    const before = kept[url.pathname], was = before?.shared ?? new URLSearchParams();
    url.search = link.dataset.opens || (before?.query ?? "");
    const differs = ([, name]) => shared.get(name) && shared.get(name) !== was.get(name);
    const works = ([, name]) => WORK.includes(name);
    const carried = link.dataset.opens ? [] : pairs(link).filter(([, name]) => shared.get(name));
    const work = carried.some((pair) => differs(pair) && works(pair));
    if (work) {
      for (const name of WORK) { url.searchParams.delete(name); }
    }
    for (const pair of carried.filter((one) => differs(one) || (work && works(one)))) {
      url.searchParams.set(pair[0], shared.get(pair[1]));
    }
    if (spoken) { url.searchParams.set("lang", spoken); }
    link.href = url.href;
  };
  for (const kind of ["pointerdown", "focusin"]) {
    document.addEventListener(kind, (event) => {
      const link = event.target.closest?.(".tw-nav a");
      if (link) { complete(link); }
    });
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest('.tw-nav a, .tw a[target="_self"]');
    const stays = link ? null : event.target.closest(".tw-nav details");
    for (const one of opened()) { one.open = one === stays; }
    const modified = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
    if (!link || modified) { return; }
    event.preventDefault();
    if (link.matches(".tw-nav a")) { complete(link); }
    let address = link.href;
    if (link.hreflang) {
      const here = new URL(location.href);
      here.searchParams.set("lang", link.hreflang);
      address = here.href;
    }
    history.pushState(null, "", address);
    dispatchEvent(new PopStateEvent("popstate"));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") { return; }
    for (const one of opened()) {
      one.open = false;
      one.querySelector("summary").focus();
    }
  });
})();
