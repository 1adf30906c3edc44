"use strict";
const $ = (id) => document.getElementById(id);
const liked = new Map();
let length = 20; // of the lists, or as many items as there are
let asked = 0; // the number of the latest question: an answer to an earlier one is not shown

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error || answer.statusText);
  return told;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function hue(text) {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)) % 360;
  return sum;
}

function card(item) {
  const made = element("button", "card");
  made.type = "button";
  made.title = item.title;
  const poster = element("div", "poster", item.title);
  poster.style.setProperty("--hue", hue(item.title));
  if (item.image) {
    const image = element("img");
    image.alt = item.title;
    image.loading = "lazy";
    image.referrerPolicy = "no-referrer";
    image.addEventListener("error", () => image.remove());
    image.src = item.image;
    poster.append(image);
  }
  if (item.rank) poster.append(element("span", "rank", item.rank));
  made.append(poster);
  if (item.why && item.why.length) {
    const about = element("div", "about", "because of");
    const list = element("ul");
    for (const reason of item.why) list.append(element("li", "", reason.title || reason.kind || ""));
    about.append(list);
    made.append(about);
  }
  made.addEventListener("click", () => showSimilar(item));
  return made;
}

function fill(place, items) {
  $(place).replaceChildren(...items.map(card));
}

async function showSimilar(item) {
  try {
    const told = await ask(`/similar?k=${Math.min(12, length)}&item=${encodeURIComponent(item.item_id)}`);
    fill("similar", told.items);
    $("alike-heading").textContent = `Similar to ${item.title}`;
    $("alike").hidden = false;
  } catch (error) {
    $("message").textContent = error.message;
  }
}

async function show(question, history, heading) {
  const number = ++asked;
  try {
    const [told, past] = await Promise.all([question, history]);
    if (number !== asked) return;
    fill("recommended", told.items);
    fill("history", past ? past.items : []);
    $("known").hidden = !past || !past.items.length;
    $("heading").textContent = heading;
    $("message").textContent = told.note || (told.cold ? "Nothing is known of this person: this is what most people have." : "");
  } catch (error) {
    if (number !== asked) return;
    fill("recommended", []);
    $("message").textContent = error.message;
  }
}

function showPerson(user) {
  const id = encodeURIComponent(user);
  return show(ask(`/recommend?k=${length}&explain=2&user=${id}`), ask(`/history?user=${id}`), `Recommendations for ${user}`);
}

function showLiked() {
  const chips = [...liked.values()].map((item) => {
    const chip = element("button", "", `${item.title} ×`);
    chip.type = "button";
    chip.addEventListener("click", () => { liked.delete(item.item_id); showLiked(); });
    return chip;
  });
  $("liked").replaceChildren(...chips);
  if (!liked.size) return;
  $("user").value = "";
  show(ask("/recommend", { history: [...liked.keys()], k: length, explain: 2 }), null, "Recommendations for somebody who likes these");
}

async function search() {
  const text = $("search").value.trim();
  if (!text) { $("found").replaceChildren(); return; }
  const told = await ask(`/items?limit=12&search=${encodeURIComponent(text)}`);
  if ($("search").value.trim() !== text) return;
  $("found").replaceChildren(...told.items.map((item) => {
    const chip = element("button", "", `+ ${item.title}`);
    chip.type = "button";
    chip.addEventListener("click", () => { liked.set(item.item_id, item); showLiked(); });
    return chip;
  }));
}

async function suggest() {
  const told = await ask(`/users?limit=50&search=${encodeURIComponent($("user").value)}`);
  $("users").replaceChildren(...told.users.map((user) => { const made = element("option"); made.value = user; return made; }));
  return told.users;
}

function forget() {
  liked.clear();
  $("liked").replaceChildren();
}

$("choice").addEventListener("submit", (event) => event.preventDefault());
$("user").addEventListener("change", () => { if ($("user").value) { forget(); showPerson($("user").value); } });
$("user").addEventListener("input", () => suggest().catch(() => {}));
$("search").addEventListener("input", () => search().catch((error) => { $("message").textContent = error.message; }));
$("clear").addEventListener("click", () => { forget(); $("search").value = ""; $("found").replaceChildren(); start(); });

async function start() {
  try {
    const health = await ask("/health");
    length = Math.min(20, health.items);
    $("model").textContent = `${health.model}: ${health.users} people, ${health.items} items`;
    $("user").value = "";
    const users = await suggest();
    if (users.length) { $("user").value = users[0]; await showPerson(users[0]); }
  } catch (error) {
    $("message").textContent = error.message;
  }
}
start();
