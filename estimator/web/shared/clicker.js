// Clicker keys: PageUp and PageDown go to the surrounding deck as reveal.js messages; Esc or a click
// returns the focus to it, except in lists and text fields, so that arrow keys turn slides again.
// Without a mouse, arrow keys stay with sliders.
(() => {
  if (window.twentyWattsKeys) { return; }
  window.twentyWattsKeys = true;
  const giveBack = () => {
    if (document.activeElement) { document.activeElement.blur(); }
    window.parent.focus();
  };
  document.addEventListener("click", (event) => {
    const typed = event.target.closest(
      'input:not([type="range"]):not([type="radio"]):not([type="checkbox"]), textarea, '
      + '[role="combobox"], [role="listbox"], [role="dialog"], [data-testid="stPopover"]');
    if (event.detail && !typed) { setTimeout(giveBack, 0); }
  });
  document.addEventListener("keydown", (event) => {
    const method = { PageDown: "next", PageUp: "prev" }[event.key];
    const open = document.querySelector('[role="listbox"], [role="dialog"]');
    if (!method && (event.key !== "Escape" || open)) { return; }
    giveBack();
    if (method) {
      event.preventDefault();
      window.parent.postMessage(JSON.stringify({ method }), "*");
    }
  }, true);
})();
