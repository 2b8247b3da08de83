"use strict";
// Everything from the bot is put in with textContent: it is data.
const key = location.hash.slice(1);
const $ = (id) => document.getElementById(id);

const places = {
  room: { title: "# lab", topic: "A channel that all three are in", hint: "Message #lab, or type /lab status" },
  direct: { title: "@ labbot", topic: "Direct messages with labbot: the verb alone will do", hint: "Message labbot, such as: get pods -A" },
  home: { title: "App Home", topic: "What labbot knows about you" },
};
const tries = {
  room: ["/lab status --short", "/lab get pods -A", "/lab create namespace playground-demo", "@labbot describe", "/lab help"],
  direct: ["status --short", "get nodes", "token --create", "help"],
};

let tab = "room";
let state = { messages: [], names: {} };
let attached = []; // files of the next message
const echoes = []; // slash commands, which Slack shows to nobody
const history = []; // what was sent, for the arrow keys
let recalled = 0;
const seen = {}; // the newest message that was looked at, by person and tab

async function call(path, body) {
  const user = $("user").value;
  const options = { headers: { "X-Playground-Key": key } };
  if (body) {
    options.method = "POST";
    options.body = JSON.stringify({ user, ...body });
  }
  const answer = await fetch("/api/" + path + "?user=" + encodeURIComponent(user), options);
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer;
}

// act does something, tells why it did not work, and reports whether it did.
async function act(path, body, problem = $("problem")) {
  tell(problem, "");
  try {
    await call(path, body);
    return true;
  } catch (err) {
    tell(problem, err.message);
    return false;
  }
}

function tell(where, text) {
  where.textContent = text;
  where.hidden = !text;
}

function make(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

// Blocks.

function button(element, block, message) {
  const b = make("button", element.style || "", element.text.text);
  b.type = "button";
  b.dataset.action = element.action_id;
  b.onclick = async () => {
    if (b.ariaBusy === "true") return; // not disabled: that would lose the focus
    b.ariaBusy = "true";
    await act("click", {
      action: element.action_id, block: block.block_id || "",
      ts: message ? message.ts : "", channel: message ? message.channel : "",
    });
    b.ariaBusy = "false";
    if (!message) showTab("direct"); // the Home's buttons answer there
  };
  return b;
}

function inline(parent, elements) {
  for (const e of elements) {
    let node = make("span", "", e.type === "user" ? "@" + (state.names[e.user_id] || e.user_id) : e.text || "");
    if (e.type === "link") {
      node = make("a", "", e.text || e.url);
      node.href = e.url;
      node.rel = "noreferrer";
      node.target = "_blank";
    }
    for (const style of ["bold", "italic", "strike", "code"]) if (e.style && e.style[style]) node.classList.add(style);
    parent.append(node);
  }
  return parent;
}

function preformatted() {
  const pre = make("pre");
  pre.tabIndex = 0; // so that the keyboard can scroll it
  return pre;
}

const blocks = {
  header: (b) => make("h3", "header", b.text.text),
  divider: () => make("hr"),
  section: (b, m) => {
    const div = make("div", "section");
    div.append(make("div", "line", b.text ? plain(b.text.text) : ""));
    if (b.accessory && b.accessory.type === "button") div.append(button(b.accessory, b, m));
    return div;
  },
  context: (b) => make("div", "context", b.elements.map((e) => plain(e.text || "")).join(" ")),
  actions: (b, m) => {
    const div = make("div", "actions");
    for (const e of b.elements) if (e.type === "button") div.append(button(e, b, m));
    return div;
  },
  rich_text: (b) => {
    const div = make("div");
    for (const part of b.elements) {
      div.append(inline(part.type === "rich_text_preformatted" ? preformatted() : make("div", "line"), part.elements));
    }
    return div;
  },
};

function draw(list, message) {
  return (list || []).map((b) => (blocks[b.type] ? blocks[b.type](b, message) : make("div", "context", "[" + b.type + "]")));
}

// plain turns text that Slack keeps escaped into what was typed.
function plain(text) {
  return text.replace(/<@([A-Z0-9]+)>/g, (_, id) => "@" + (state.names[id] || id))
    .replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

// typed is a person's message: text, and code blocks between fences.
function typed(text) {
  return plain(text).split("```").map((part, i) => {
    const node = i % 2 ? preformatted() : make("div", "line");
    node.textContent = i % 2 ? part.replace(/^\n/, "") : part.trim();
    return node;
  }).filter((node) => node.textContent);
}

// Messages.

function messageNode(m) {
  const li = make("li", "message" + (m.thread_ts && m.thread_ts !== m.ts ? " reply" : "") + (m.ephemeral_to ? " only" : ""));
  if (m.ephemeral_to) li.append(make("div", "mark", "👁 Only visible to you"));
  const name = state.names[m.user] || m.user;
  const avatar = make("div", "avatar " + name, name[0].toUpperCase());
  avatar.ariaHidden = "true";
  const content = make("div", "content");
  const head = make("div");
  head.append(make("span", "who", name));
  if (m.bot_id) head.append(make("span", "app", "APP"));
  head.append(clock(m.ts));
  content.append(head);
  const drawn = m.bot_id ? draw(m.blocks, m) : [];
  content.append(...(drawn.length ? drawn : typed(m.text || "")));
  for (const f of m.files || []) content.append(fileNode(f));
  li.append(avatar, content);
  return li;
}

function clock(ts) {
  const at = new Date(Number(ts) * 1000);
  const time = make("time", "", at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = at.toISOString();
  return time;
}

function fileNode(f) {
  const div = make("div", "actions");
  const b = make("button", "", "📄 " + (f.title || f.name) + " (" + (f.title && f.title !== f.name ? f.name + ", " : "") + Math.ceil(f.size / 1024) + " KiB)");
  b.type = "button";
  b.onclick = async () => {
    tell($("problem"), "");
    try {
      $("file-text").textContent = await (await call("file", { file: f.id })).text();
      $("file-title").textContent = f.title || f.name;
      $("file").showModal();
    } catch (err) {
      tell($("problem"), err.message);
    }
  };
  div.append(b);
  return div;
}

function echoNode(e) {
  const li = make("li", "typed", "You typed ");
  li.append(make("code", "", e.text), clock(e.ts));
  return li;
}

function tryNode() {
  const li = make("li", "try", "Try one of these:");
  const list = make("ul");
  for (const text of tries[tab]) {
    const item = make("li");
    const b = make("button");
    b.type = "button";
    b.append(make("code", "", text));
    b.onclick = () => send(text);
    item.append(b);
    list.append(item);
  }
  li.append(list);
  return li;
}

// items are the lines of the list: messages in order, each with the replies of its thread behind it.
function items() {
  const channel = state[tab];
  const own = state.messages.filter((m) => m.channel === channel);
  const parent = (m) => (own.some((p) => p.ts === m.thread_ts) ? m.thread_ts : m.ts);
  const lines = own.map((m) => ({ id: m.ts, at: [parent(m), m.ts], stamp: JSON.stringify(m), make: () => messageNode(m) }));
  for (const e of echoes) {
    if (e.user === $("user").value && e.tab === tab) lines.push({ id: "typed" + e.ts, at: [e.ts, e.ts], stamp: "", make: () => echoNode(e) });
  }
  lines.sort((x, y) => x.at[0] - y.at[0] || x.at[1] - y.at[1]);
  return lines.length ? lines : [{ id: "try-" + tab, stamp: "", make: tryNode }];
}

// drawList changes what has changed and leaves the rest alone: focus, selection, and what a screen
// reader has read already.
function drawList(list, lines) {
  const old = new Map([...list.children].map((node) => [node.dataset.id, node]));
  let next = list.firstElementChild;
  for (const line of lines) {
    let node = old.get(line.id);
    old.delete(line.id);
    if (node && node.dataset.stamp !== line.stamp) {
      const fresh = made(line);
      const focused = node.contains(document.activeElement);
      if (next === node) next = fresh;
      node.replaceWith(fresh);
      if (focused) $("text").focus();
      node = fresh;
    }
    node = node || made(line);
    if (node === next) next = next.nextElementSibling;
    else list.insertBefore(node, next);
  }
  for (const node of old.values()) node.remove();
}

function made(line) {
  const node = line.make();
  node.dataset.id = line.id;
  node.dataset.stamp = line.stamp;
  return node;
}

// The page as a whole.

function show() {
  for (const name in places) $("tab-" + name).toggleAttribute("aria-current", tab === name);
  $("title").textContent = places[tab].title;
  $("topic").textContent = places[tab].topic;
  $("text").placeholder = places[tab].hint || "";
  $("say").hidden = $("messages").hidden = tab === "home";
  $("home").hidden = tab !== "home";
  if (tab === "home") showHome();
  else showMessages();
  showUnread();
  showModal();
}

function showMessages() {
  const list = $("messages");
  const below = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  drawList(list, items());
  if (below) list.scrollTop = list.scrollHeight;
}

function showHome() {
  const stamp = $("user").value + JSON.stringify(state.home || null);
  if ($("home").dataset.stamp === stamp) return;
  $("home").dataset.stamp = stamp;
  $("home").replaceChildren(...(state.home ? draw(state.home.blocks, null) : [make("p", "", "Opening…")]));
}

// showUnread counts what the bot said where the person does not look.
function showUnread() {
  for (const name of ["room", "direct"]) {
    const of = state.messages.filter((m) => m.channel === state[name]);
    const last = of.length ? Number(of[of.length - 1].ts) : 0;
    const where = $("user").value + " " + name;
    if (name === tab || !(where in seen)) seen[where] = last;
    const count = of.filter((m) => Number(m.ts) > seen[where]).length;
    $("tab-" + name).querySelector(".unread").textContent = count || "";
    $("tab-" + name).ariaLabel = (name === "room" ? "Channel lab" : "Direct messages with labbot") + (count ? ", " + count + " unread" : "");
  }
}

function showModal() {
  const dialog = $("modal");
  if (!state.modal) {
    if (!dialog.open) return;
    dialog.close();
    dialog.replaceChildren();
    backToTyping();
    return;
  }
  if (dialog.open && dialog.dataset.view === state.modal.id) return;
  dialog.dataset.view = state.modal.id;
  dialog.replaceChildren(modalForm(state.modal));
  if (!dialog.open) dialog.showModal();
}

// backToTyping follows a dialog. The focus is taken and given by hand: Chromium's own way back leaves a
// text field that shows a cursor and takes no keys.
function backToTyping() {
  document.activeElement.blur();
  $("text").focus();
}

function modalForm(modal) {
  const form = make("form");
  const title = make("h2", "", modal.title || "");
  title.id = "modal-title";
  form.append(title);
  for (const b of modal.blocks) form.append(b.type === "input" ? inputNode(b) : draw([b], null)[0]);
  const wrong = make("p", "wrong");
  wrong.setAttribute("role", "alert");
  const row = make("div", "actions");
  const back = make("button", "", modal.close || "Cancel");
  back.type = "button";
  back.onclick = () => act("close", {}, wrong);
  row.append(back, make("button", "primary", modal.submit || "Submit"));
  form.append(wrong, row);
  form.onsubmit = (e) => {
    e.preventDefault();
    act("submit", { inputs: Object.fromEntries(new FormData(form)) }, wrong);
  };
  return form;
}

function inputNode(block) {
  const label = make("label", "", block.label.text);
  const input = make("input");
  input.name = block.element.action_id;
  input.autocomplete = "off";
  if (block.element.placeholder) input.placeholder = block.element.placeholder.text;
  label.append(input);
  return label;
}

// showTab turns to a conversation or to the App Home.
function showTab(name) {
  tab = name;
  tell($("problem"), "");
  if (name === "home") act("home", {});
  show();
  $("messages").scrollTop = $("messages").scrollHeight;
  if (name !== "home") $("text").focus();
}

// Typing.

// send empties the field at once, so that nothing typed meanwhile is lost, and gives back what was refused.
async function send(text) {
  const files = attached;
  const at = { user: $("user").value, tab, ts: Date.now() / 1000, text };
  if (history[history.length - 1] !== text) history.push(text);
  compose("", []);
  if (!(await act("say", { text, direct: tab === "direct", files }))) {
    compose($("text").value || text, [...files, ...attached]);
    return;
  }
  if (/^\/lab(\s|$)/.test(text)) echoes.push(at);
  show();
  $("messages").scrollTop = $("messages").scrollHeight;
}

// compose sets the next message, and ends any walk through the sent ones.
function compose(text, files) {
  recalled = history.length;
  $("text").value = text;
  attached = files;
  showAttached();
}

function showAttached() {
  $("attached").replaceChildren(...attached.map((f) => {
    const li = make("li");
    const b = make("button", "", "📄 " + f.name + " ✕");
    b.type = "button";
    b.ariaLabel = "Do not attach " + f.name;
    b.onclick = () => {
      attached = attached.filter((other) => other !== f);
      showAttached();
      $("text").focus();
    };
    li.append(b);
    return li;
  }));
}

$("files").onchange = async () => {
  for (const f of $("files").files) attached.push({ name: f.name, content: await f.text() });
  $("files").value = "";
  showAttached();
  $("text").focus();
};
$("say").onsubmit = (e) => {
  e.preventDefault();
  if ($("text").value.trim()) send($("text").value.trim());
};
$("text").onkeydown = (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
    e.preventDefault();
    $("say").requestSubmit();
  } else if ((e.key === "ArrowUp" || e.key === "ArrowDown") && !$("text").value.includes("\n")) {
    const to = Math.min(history.length, Math.max(0, recalled + (e.key === "ArrowUp" ? -1 : 1)));
    if (to === recalled) return;
    e.preventDefault();
    recalled = to;
    $("text").value = history[to] || "";
  }
};
$("user").onchange = () => {
  tell($("problem"), "");
  if (tab === "home") act("home", {});
  refresh().then(() => { $("messages").scrollTop = $("messages").scrollHeight; }, () => {});
};
$("modal").oncancel = (e) => { // Escape
  e.preventDefault();
  act("close", {});
};
$("file").onclose = backToTyping;
for (const name in places) $("tab-" + name).onclick = () => showTab(name);

async function refresh() {
  state = await (await call("state")).json();
  show();
}

// follow draws every change as it comes.
async function follow() {
  let lost = false;
  for (;;) {
    try {
      await refresh();
      if (lost) tell($("problem"), "");
      lost = false;
      await call("wait");
    } catch (err) {
      lost = true;
      tell($("problem"), err instanceof TypeError ? "labbot playground has ended, or cannot be reached. Start it again and open the address that it prints." : err.message);
      await new Promise((again) => setTimeout(again, 2000));
    }
  }
}

show();
follow();
