import pytest

from estimator.catalog import Catalog, ProfileError
from estimator.catalog.prior_tables import Priors
from estimator.catalog.profile_folders import shipped_directory
from estimator.catalog.toml_files import read_priors

RECORD = 'value = {}\nunit = "1"\nbasis = "assumed"\nsource = "twenty-watts-assumption"\n'


def priors_in(tmp_path, text, over=None):
    path = tmp_path / "priors.toml"
    path.write_text(text, encoding="utf-8")
    return Priors(path, over or {}), read_priors(path, lambda *_: None)


def test_every_prior_of_ours_is_the_same_by_itself_and_in_the_file():
    path = shipped_directory() / "priors.toml"
    whole = read_priors(path, lambda *_: None)
    assert len(whole) > 250
    alone = Priors(path, {})
    assert {key: alone[key] for key in whole} == whole
    assert list(alone) == list(whole)
    assert all(key in alone for key in whole)


def test_a_prior_is_read_without_those_of_other_tables(tmp_path):
    text = f"[one.two]\n{RECORD.format(2)}\n[one.broken]\nvalue = nothing\n"
    path = tmp_path / "priors.toml"
    path.write_text(text, encoding="utf-8")
    priors = Priors(path, {})
    assert priors["one.two"].value == 2.0
    assert "one.three" not in priors
    with pytest.raises(ProfileError, match="Invalid value"):
        priors["one.broken"]
    with pytest.raises(ProfileError, match="Invalid value"):
        list(priors)


@pytest.mark.parametrize(
    "text",
    [
        f'[a.b]\nc = {{ value = 1, unit = "1", basis = "assumed", source = "s" }}\n'
        f"d.e = {{ value = 2, unit = '1', basis = 'assumed', source = 's' }}\n"
        f"[a.b.f]\n{RECORD.format(3)}\n[g]\nnote = 'beside'\n[g.h]\n{RECORD.format(4)}",
        f'["a"."b c"]\n{RECORD.format(1)}\n[a.d]\n{RECORD.format(2)}',
        f'[a.b]\n{RECORD.format(1)}note = """\n[a.c]\n"""\n[a.d]\n{RECORD.format(2)}',
        f'[a.b] # said\n{RECORD.format(1)}\n[a]\nd.value = 2\nd.unit = "1"\n'
        f'd.basis = "assumed"\nd.source = "s"\n',
        f'a.value = 1\na.unit = "1"\na.basis = "assumed"\na.source = "s"\n[b]\n{RECORD.format(2)}',
        "",
    ],
)
def test_tables_in_any_form_give_what_the_whole_file_gives(tmp_path, text):
    priors, whole = priors_in(tmp_path, text)
    assert {key: priors[key] for key in whole} == whole
    for prefix in ("a.", "a.b.", "g."):
        expected = {k.removeprefix(prefix): v for k, v in whole.items() if k.startswith(prefix)}
        assert priors.under(prefix) == expected
    assert "a.x" not in priors
    assert len(priors) == len(whole)


def test_priors_of_the_user_lie_over_ours(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    text = f"[site.pue]\n{RECORD.format(1.9)}\n[mine.own]\n{RECORD.format(2)}"
    (mine / "priors.toml").write_text(text, encoding="utf-8")
    catalog = Catalog((shipped_directory(), mine))
    assert catalog.prior("site.pue").value == 1.9
    assert catalog.priors()["mine.own"].value == 2.0
    assert list(catalog.priors())[-1] == "mine.own"
    assert catalog.priors_under("site.")["pue"].value == 1.9
    assert len(catalog.priors()) == len(Catalog((shipped_directory(),)).priors()) + 1
