"""Changes between two contents of a page."""

from dash import html

from tickvol.dashboard.patches import Content, Shown


def page(*, price="1.00", name="tile", items=("a", "b"), more=()):
    return [html.Main([html.P(price, className=name), html.Ul([html.Li(item) for item in items]), *more])]


def patches(before, after):
    shown = Shown()
    old, new = Content.of(before), Content.of(after)
    shown.keep(old)
    return shown.patches(old.digest, new)


def test_equal_contents_need_no_patch():
    assert patches(page(), page()) == {}


def test_a_changed_text_is_set_where_it_stands_and_nowhere_else():
    assert patches(page(), page(price="2.00")) == {"at-0-0": {"children": "2.00"}}
    assert patches(page(), page(items=("a", "c"))) == {"at-0-1-1": {"children": "c"}}


def test_a_changed_property_is_set_without_the_children():
    assert patches(page(), page(name="tile stale")) == {"at-0-0": {"className": "tile stale"}}


def test_another_number_of_children_replaces_them_in_their_parent_alone():
    found = patches(page(), page(items=("a",)))
    assert list(found) == ["at-0-1"]
    assert [child["props"]["children"] for child in found["at-0-1"]["children"]] == ["a"]


def test_another_kind_of_component_replaces_the_children_of_its_parent():
    found = patches(page(more=[html.Div("x")]), page(more=[html.Section("x")]))
    assert list(found) == ["at-0"]


def test_a_property_that_one_side_lacks_replaces_the_component():
    assert list(patches(page(more=[html.Div("x")]), page(more=[html.Div("x", title="t")]))) == ["at-0"]


def test_texts_between_components_are_compared():
    before, after = ([html.P(["on ", html.Code(day), end])] for day, end in (("1", "."), ("1", "!")))
    assert list(patches(before, after)) == ["at-0"]


def test_an_own_id_is_kept():
    content = Content.of([html.Div(html.P("x", id="mine"))])
    assert content.nodes[0]["props"]["children"]["props"]["id"] == "mine"


def test_what_is_not_remembered_is_sent_as_a_whole():
    shown = Shown()
    first = Content.of(page())
    assert shown.patches(None, first) is None
    shown.keep(first)
    for number in range(64):
        shown.keep(Content.of(page(price=str(number))))
    assert shown.patches(first.digest, first) is None
