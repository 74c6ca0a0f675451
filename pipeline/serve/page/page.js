// The page of the service: sends a film, shows the card that the service makes of its reading. Nothing comes from elsewhere.
"use strict";

const at = (id) => document.getElementById(id);
const words = JSON.parse(at("words").textContent);
const language = document.documentElement.lang;
const empty = at("result").innerHTML;
const UNITS = { height: "cm", weight: "kg", mother: "cm", father: "cm" }; // of the fields that are sent with one
let film = null; // a File, or the drawn example
let token = "";
let waiting = null; // AbortController of what is being read
let pictures = new Map(); // view -> address of its picture

async function ask(path, options = {}) {
  const headers = { "Accept-Language": language, ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({ detail: words.lost }));
  if (answer.status === 401) askForToken();
  throw Object.assign(new Error(problem.detail), { field: problem.field });
}

function askForToken() {
  at("token-field").hidden = false;
  at("token").focus();
}

function complain(sentence, where) {
  at("error").textContent = sentence;
  at("error").hidden = false;
  if (!where) return;
  const fold = where.closest("details");
  if (fold) fold.open = true;
  where.focus();
}

function refused({ message, field }) {
  // a sentence on a field begins with its name; here it begins with the label, in the language of the page
  const input = at(field === "age" ? "years" : field);
  if (field in words && input) complain(words[field] + message.slice(field.length), input);
  else complain(message);
}

function take(file, name) {
  film = file;
  at("chosen").textContent = name;
  at("choose").textContent = words.another;
  at("drop").classList.add("full");
  at("error").hidden = true;
}

function asked() {
  const form = new FormData();
  const [years, months] = [at("years").value.trim(), at("months").value.trim()];
  if (!film) return complain(words.need_film, at("film"));
  const sex = document.querySelector("input[name=sex]:checked");
  if (!sex) return complain(words.need_sex, document.querySelector("input[name=sex]"));
  if (months && !years) return complain(words.need_years, at("years"));
  form.append("film", film, "film");
  form.append("sex", sex.value);
  if (years) form.append("age", months ? `${years}y${months}m` : `${years}y`);
  for (const [name, unit] of Object.entries(UNITS)) {
    const number = at(name).value.trim();
    if (number) form.append(name, number + unit);
  }
  form.append("side", document.querySelector("input[name=side]:checked").value);
  form.append("name", at("name").value);
  return form;
}

async function read(event) {
  event.preventDefault();
  at("error").hidden = true;
  token = at("token").value.trim();
  const form = asked();
  if (!form) return;
  waiting = new AbortController();
  busy(true);
  try {
    const answer = await ask("v1/readings", { method: "POST", body: form, signal: waiting.signal });
    await show((await answer.json()).id);
  } catch (error) {
    if (error.name === "AbortError") at("status").textContent = words.cancelled;
    else if (error instanceof TypeError) complain(words.lost);
    else refused(error);
  } finally {
    busy(false);
  }
}

function busy(is) {
  at("form").setAttribute("aria-busy", is);
  at("read").disabled = is;
  at("cancel").hidden = !is;
  at("result").classList.toggle("waits", is);
  at("status").textContent = is ? words.reading : "";
  if (!is) waiting = null;
}

async function show(id) {
  const card = await (await ask(`page/card/${id}?language=${language}`)).text();
  forget();
  at("result").innerHTML = card; // made by the service, which escapes what is in it
  for (const view of document.querySelectorAll("input[name=view]")) view.addEventListener("change", () => look(id, view.value));
  for (const link of document.querySelectorAll(".take a")) link.addEventListener("click", (event) => fetched(event, link));
  for (const link of document.querySelectorAll("nav a")) link.hash = id; // another language shows the same reading
  at("card-title").focus({ preventScroll: true });
  at("card-title").closest("article").scrollIntoView({ block: "nearest" });
  look(id, "film");
}

function forget() {
  for (const address of pictures.values()) URL.revokeObjectURL(address);
  pictures = new Map();
}

const PATHS = { film: "film.png", outline: "overlay.png", heat: "heatmap.png" };

async function look(id, view) {
  const caption = document.querySelector(".caption");
  const frame = document.querySelector(".film");
  caption.textContent = view === "heat" && !pictures.has(view) ? words.heat_wait : "";
  frame.classList.add("waits");
  try {
    if (!pictures.has(view)) {
      const answer = await ask(`v1/readings/${id}/${PATHS[view]}?size=1400`);
      pictures.set(view, URL.createObjectURL(await answer.blob()));
    }
    if (document.querySelector("input[name=view]:checked").value !== view) return;
    frame.firstElementChild.src = pictures.get(view);
    frame.classList.remove("waits");
    caption.textContent = caption.dataset[view] || "";
  } catch (error) {
    frame.classList.remove("waits");
    caption.textContent = error instanceof TypeError ? words.lost : error.message;
  }
}

async function fetched(event, link) {
  event.preventDefault(); // so that the token goes along, and a problem is said here
  link.classList.add("waits");
  at("status").textContent = words.made;
  try {
    const address = URL.createObjectURL(await (await ask(link.getAttribute("href"))).blob());
    const saved = Object.assign(document.createElement("a"), { href: address, download: link.download });
    saved.click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  } catch (error) {
    complain(error instanceof TypeError ? words.lost : error.message);
  }
  at("status").textContent = "";
  link.classList.remove("waits");
}

at("form").addEventListener("submit", read);
at("cancel").addEventListener("click", () => waiting && waiting.abort());
at("film").addEventListener("change", () => at("film").files[0] && take(at("film").files[0], at("film").files[0].name));
at("example").addEventListener("click", async () => {
  try {
    take(await (await ask("static/example.png")).blob(), words.drawn);
  } catch {
    complain(words.lost);
  }
});
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    at("drop").classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => event.relatedTarget || at("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) take(file, file.name);
});
if (location.hash.length > 1) {
  const id = location.hash.slice(1);
  history.replaceState(null, "", location.pathname + location.search);
  if (/^[\w-]{22}$/.test(id)) show(id).catch(() => (at("result").innerHTML = empty));
}
