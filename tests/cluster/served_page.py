#!/usr/bin/env python3
"""served_page.py CHROMIUM PORT CLICKS_PORT TOKEN_PORT TOKEN HOSTILE [FOLDER]: whether the page at / does what it shows, in a browser.

PORT: of a cfserve whose model has ratings, genres and vectors, and users 1 and 2; CLICKS_PORT: of one whose model takes clicks;
TOKEN_PORT: of one that wants TOKEN. HOSTILE: a title that would be a script if it were taken for markup. FOLDER: where pictures are left.
"""
import http.client
import json
import sys
import urllib.parse

import browser

CHROMIUM, PORT, CLICKS_PORT, TOKEN_PORT, TOKEN, HOSTILE = sys.argv[1:7]
FOLDER = sys.argv[7] if len(sys.argv) > 7 else None
PAGE = f"http://127.0.0.1:{PORT}/"

# Of each text that is seen, how far its colour is from what is behind it (WCAG 2), where that is less than AA asks for.
PALE = """(() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (color) => channels(color).slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if ((channels(color)[3] ?? 1) > 0) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const pale = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const style = getComputedStyle(element);
    if (walker.currentNode.data.trim() === '' || !element.checkVisibility() || style.color === 'rgba(0, 0, 0, 0)') continue;
    if (element.closest('option, .drawn, .unseen, noscript')) continue;
    ++texts;
    const [a, b] = [light(style.color), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) pale.push(`${walker.currentNode.data.trim()}: ${contrast.toFixed(2)}`);
  }
  return {texts, pale};
})()"""

# What is wider than what is around it, and what is too small for a finger (WCAG 2.2: 24 pixels, but for what stands within a text).
LAYOUT = """(() => ({
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  outside: [...document.querySelectorAll('button, input, select, .title')].filter((e) => e.checkVisibility())
    .filter((e) => {
      const [box, around] = [e, e.closest('.problem, section, header, body')].map((one) => one.getBoundingClientRect());
      return box.left < around.left || box.right > around.right;
    }).map((e) => e.outerHTML),
  small: [...document.querySelectorAll('button, select, input, summary')].filter((e) => e.checkVisibility())
    .filter((e) => { const box = e.getBoundingClientRect(); return Math.min(box.width, box.height) < 24; }).map((e) => e.outerHTML),
}))()"""

SHOWN = "document.querySelector('#list > [data-item]') && document.getElementById('list').getAttribute('aria-busy') === 'false'"


def api(path):
    server = http.client.HTTPConnection("127.0.0.1", int(PORT))
    server.request("GET", path)
    response = server.getresponse()
    assert response.status == 200, (path, response.status)
    return json.loads(response.read())


def texts(page, selector):
    return page.js(f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.textContent)")


def fragment(page):
    return urllib.parse.parse_qs(page.js("location.hash").lstrip("#"), keep_blank_values=True)


def focused(page):
    return page.js("document.activeElement.id || document.activeElement.textContent || document.activeElement.type")


def keep_picture(page, name):
    if FOLDER is not None:
        page.picture(f"{FOLDER}/{name}.png")


def check_list(page, expected):
    """What the page shows is what the server answers, word for word."""
    rows = page.js("""[...document.querySelectorAll('#list > li')].map((row) => ({
      item: row.dataset.item, title: row.querySelector('.title').textContent, genres: row.querySelector('.genres').textContent,
      score: row.querySelector('strong').textContent,
      because: [...row.querySelectorAll('.because bdi')].map((e) => e.textContent)}))""")
    assert rows == [{"item": item["item"], "title": item["title"], "genres": " · ".join(item["genres"]), "score": f"{item['score']:.2f}",
                     "because": [near["title"] for near in item["because"] if near["item"] != item["item"] and near["similarity"] > 0]}
                    for item in expected["items"]], (rows, expected)


def a_link_shows_a_user(page):
    page.view(1200, 900)
    page.open(PAGE + "#user=1&mask=none&k=50")
    page.until(SHOWN)
    expected = api("/v1/users/1/recommendations?k=50&mask=none&because=3")
    assert HOSTILE in [item["title"] for item in expected["items"]], "the hostile title is among what is shown"
    check_list(page, expected)
    given = api("/v1/users/1/ratings?k=10&sort=best")
    assert texts(page, "#liked-list .title") == [item["title"] for item in given["items"]]
    assert page.js("document.querySelector('#liked-note').textContent").endswith(f"{given['total']} ratings")
    assert expected["model"]["version"] in page.js("document.getElementById('answered').textContent")
    assert page.js("document.getElementById('user').value") == "1"
    # A title is a text, whatever it holds.
    assert page.js("document.querySelectorAll('main img, main script').length") == 0
    assert "taken" not in page.js("document.title"), "a title was run as a script"
    keep_picture(page, "user")


def similar_items_come_on_demand(page):
    page.js("document.querySelector('#list [aria-expanded]').click()")
    page.until("document.querySelector('.similar li')")
    first = page.js("document.querySelector('#list > li').dataset.item")
    expected = api(f"/v1/items/{urllib.parse.quote(first, safe='')}/similar?k=5")
    assert texts(page, ".similar .title") == [item["title"] for item in expected["items"]]
    page.js("document.querySelector('#list [aria-expanded]').click()")
    assert page.js("document.querySelector('.similar').checkVisibility()") is False


def settings_change_the_list_and_its_link(page):
    page.open(PAGE + "#user=1")
    page.until(SHOWN)
    page.js("document.getElementById('diversity').focus()")
    page.press("ArrowRight", "ArrowRight")
    page.until("location.hash.includes('diversity')")
    strength = fragment(page)["diversity"]
    assert strength == ["0.1"], strength
    page.js("document.getElementById('genre').focus()")
    page.press("ArrowDown")
    page.until("location.hash.includes('genre')")
    genre = fragment(page)["genre"][0]
    page.until(SHOWN + f" && [...document.querySelectorAll('#list > li .genres')].every((e) => e.textContent.includes({json.dumps(genre)}))")
    check_list(page, api("/v1/users/1/recommendations?" + urllib.parse.urlencode(
        {"k": 10, "because": 3, "diversity": 0.1, "genre": genre})))


def everything_is_done_by_keyboard(page):
    page.open(PAGE)
    page.until("document.getElementById('empty').checkVisibility()")
    page.until("document.getElementById('examples').checkVisibility()")
    page.press("Tab")
    assert page.js("document.activeElement.name") == "mode"
    page.press("Tab")
    assert focused(page) == "user"
    assert page.js("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus is seen"
    page.type("2")
    page.press("Enter")
    page.until(SHOWN)
    assert fragment(page) == {"user": ["2"]}
    seen = []
    while not seen or seen[-1] != "Similar":  # To the first row of the list.
        page.press("Tab")
        seen.append(focused(page))
        assert len(seen) < 20, seen
    assert [name for name in seen if name in ("diversity", "genre", "mask", "k")] == ["diversity", "genre", "mask", "k"], seen
    page.press("Enter")
    page.until("document.querySelector('.similar li')")


def somebody_new_rates_titles_found_by_typing(page):
    page.open(PAGE)
    page.until("document.getElementById('empty').checkVisibility()")
    page.press("Tab", "ArrowRight")
    page.until("document.getElementById('title').checkVisibility()")
    page.press("Tab")
    assert focused(page) == "title"
    found = api("/v1/items?query=the&k=8")["items"]
    page.type("the")
    page.until("document.getElementById('title').getAttribute('aria-expanded') === 'true'")
    assert texts(page, "#suggestions .title") == [item["title"] for item in found]
    page.press("ArrowDown", "ArrowDown", "ArrowUp", "ArrowDown")
    active = page.js("document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).textContent")
    assert active.startswith(found[1]["title"]), active
    keep_picture(page, "suggestions")
    page.press("Enter")
    page.until(SHOWN)
    item = found[1]["item"]
    assert fragment(page)["rating"] == [f"{item}:5"]
    assert page.js("document.activeElement.type") == "range", "the new rating can be changed at once"
    page.press("ArrowLeft", "ArrowLeft", "ArrowLeft")
    page.until("location.hash.includes(':3.5')")
    assert page.js("document.activeElement.getAttribute('aria-valuetext')") == "3.5 of 5"
    page.until("document.getElementById('status').textContent.endsWith('from 1 rating')")
    page.js("document.querySelector('#list [aria-label^=Rate]').click()")
    page.until("document.getElementById('status').textContent.endsWith('from 2 ratings')")
    assert len(fragment(page)["rating"]) == 2
    # The link alone shows the same, titles too.
    here = page.js("location.hash")
    shown = texts(page, "#list > li .title")
    named = texts(page, "#given .title")
    page.open(PAGE + here)
    page.until(SHOWN + " && document.querySelectorAll('#given li').length === 2")
    assert texts(page, "#list > li .title") == shown
    assert texts(page, "#given .title") == named and found[1]["title"] in named
    keep_picture(page, "new")
    page.js("document.querySelector('#given button').click()")
    page.until("document.getElementById('status').textContent.endsWith('from 1 rating')")
    assert focused(page) == "title", "what had the focus is gone"
    page.js("history.back()")
    page.until("document.getElementById('status').textContent.endsWith('from 2 ratings')")


def a_model_of_clicks_takes_clicks(page):
    place = f"http://127.0.0.1:{CLICKS_PORT}/"
    page.open(place + "#user=1")
    page.until(SHOWN + " && document.querySelector('#liked-list li')")
    page.open(place + "#click=1&click=2")
    page.until(SHOWN)
    assert page.js("document.getElementById('status').textContent") == "10 titles from 2 items"
    assert page.js("document.querySelectorAll('#given input').length") == 0, "there is nothing to rate"
    page.js("document.querySelector('#list [aria-label^=Add]').click()")
    page.until("document.getElementById('status').textContent === '10 titles from 3 items'")
    assert len(fragment(page)["click"]) == 3
    keep_picture(page, "clicks")


def what_is_wrong_is_said_with_a_way_on(page):
    page.open(PAGE + "#user=nobody")
    page.until("document.getElementById('problem').checkVisibility()")
    assert "no user 'nobody'" in page.js("document.getElementById('problem').textContent")
    keep_picture(page, "problem")
    page.js("document.querySelectorAll('#problem button')[1].click()")
    page.until(SHOWN)
    assert texts(page, "#list > li .title") == [
        item["title"] for item in api("/v1/users/nobody/recommendations?fallback=popular")["items"]]
    page.open(PAGE + "#user=1&genre=Opera")
    page.until("document.getElementById('problem').textContent.includes('Opera')")


def every_text_is_seen_on_a_desk_and_on_a_phone(page):
    grounds = set()
    for dark in (False, True):
        for width, height in ((1200, 900), (360, 780)):
            for name, where in (("user", "#user=1&mask=none&k=50"), ("new", "#rating=1:4.5&rating=2:2"), ("problem", "#user=nobody")):
                page.view(width, height, dark)
                page.open(PAGE + where)
                page.until("document.getElementById('problem').checkVisibility()" if name == "problem" else SHOWN)
                page.until("document.getElementById('examples').textContent !== ''")
                seen = page.js(PALE)
                assert seen["texts"] > 15 and seen["pale"] == [], (name, width, dark, seen)
                layout = page.js(LAYOUT)
                assert layout == {"overflow": 0, "outside": [], "small": []}, (name, width, layout)
                grounds.add(page.js("getComputedStyle(document.body).backgroundColor"))
                keep_picture(page, f"{name}-{width}-{'dark' if dark else 'light'}")
    assert len(grounds) == 2, grounds


def the_token_is_asked_for_and_kept_in_memory(page):
    page.open(f"http://127.0.0.1:{TOKEN_PORT}/#user=1")
    page.until("document.activeElement.id === 'token'")
    page.type("not it")
    page.press("Enter")
    page.until("document.getElementById('token-note').textContent.startsWith('That was not it')")
    page.until("document.activeElement.id === 'token' && document.activeElement.checkVisibility()")
    page.type(TOKEN)
    page.press("Enter")
    page.until(SHOWN)
    assert page.js("localStorage.length + sessionStorage.length + document.cookie.length") == 0
    assert TOKEN not in page.js("location.href + document.documentElement.outerHTML")
    page.open(f"http://127.0.0.1:{TOKEN_PORT}/#user=1")
    page.until("document.activeElement.id === 'token'")  # Gone with the page.


def check_events(page):
    """Nothing was thrown, the policy stopped nothing, and nobody else was asked."""
    asked = 0
    for event in page.events:
        about = event.get("params", {})
        assert event.get("method") != "Runtime.exceptionThrown", about
        if event.get("method") == "Log.entryAdded":
            # Chromium logs each refusal of the server.
            assert about["entry"]["source"] == "network" and "status of 4" in about["entry"]["text"], about
        if event.get("method") == "Network.requestWillBeSent":
            url = about["request"]["url"]
            asked += 1
            ours = tuple(f"http://127.0.0.1:{port}/" for port in (PORT, CLICKS_PORT, TOKEN_PORT))
            assert url == "about:blank" or url.startswith(ours), url
    assert asked > 50, asked


with browser.Browser(CHROMIUM) as page:
    for check in (a_link_shows_a_user, similar_items_come_on_demand, settings_change_the_list_and_its_link,
                  everything_is_done_by_keyboard, somebody_new_rates_titles_found_by_typing, a_model_of_clicks_takes_clicks,
                  what_is_wrong_is_said_with_a_way_on, every_text_is_seen_on_a_desk_and_on_a_phone,
                  the_token_is_asked_for_and_kept_in_memory, check_events):
        try:
            check(page)
        except (AssertionError, RuntimeError, TimeoutError) as error:
            sys.exit(f"{check.__name__}: {type(error).__name__}: {error}")
