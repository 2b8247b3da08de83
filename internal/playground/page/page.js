"use strict";
// Everything from the bot is put in with textContent: it is data.
const key = location.hash.slice(1);
const $ = (id) => document.getElementById(id);
let tab = "room";
let state = { messages: [], names: {} };

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

// act does something and shows why it did not work.
async function act(path, body) {
  $("problem").textContent = "";
  try {
    await call(path, body);
  } catch (err) {
    $("problem").textContent = err.message;
  }
}

function make(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

function button(element, block, message) {
  const b = make("button", element.style || "", element.text.text);
  b.dataset.action = element.action_id;
  b.onclick = () => act("click", {
    action: element.action_id, block: block.block_id || "",
    ts: message ? message.ts : "", channel: message ? message.channel : "",
  });
  return b;
}

function inline(parent, elements) {
  for (const e of elements) {
    let node = make("span", "", e.text || "");
    if (e.type === "link") {
      node = make("a", "", e.text || e.url);
      node.href = e.url;
      node.rel = "noreferrer";
      node.target = "_blank";
    }
    if (e.style && e.style.bold) node.style.fontWeight = "700";
    if (e.style && e.style.italic) node.style.fontStyle = "italic";
    parent.append(node);
  }
  return parent;
}

const blocks = {
  header: (b) => make("div", "header", b.text.text),
  divider: () => make("hr"),
  section: (b, m) => {
    const div = make("div", "section");
    div.append(make("div", "line", b.text ? b.text.text : ""));
    if (b.accessory && b.accessory.type === "button") div.append(button(b.accessory, b, m));
    return div;
  },
  context: (b) => make("div", "context", b.elements.map((e) => e.text || "").join(" ")),
  actions: (b, m) => {
    const div = make("div", "actions");
    for (const e of b.elements) if (e.type === "button") div.append(button(e, b, m));
    return div;
  },
  rich_text: (b) => {
    const div = make("div");
    for (const part of b.elements) {
      div.append(inline(make(part.type === "rich_text_preformatted" ? "pre" : "div", "line"), part.elements));
    }
    return div;
  },
};

function draw(list, message) {
  return (list || []).map((b) => (blocks[b.type] ? blocks[b.type](b, message) : make("div", "context", b.type)));
}

// plain turns the text of a person's message, which Slack keeps escaped, into what they typed.
function plain(text) {
  return text.replace(/<@([A-Z0-9]+)>/g, (_, id) => "@" + (state.names[id] || id))
    .replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

function messageNode(m) {
  const div = make("article", "message" + (m.thread_ts ? " thread" : ""));
  div.dataset.ts = m.ts;
  div.append(make("span", "who", state.names[m.user] || m.user));
  if (m.ephemeral_to) div.append(make("span", "only", "  Only visible to you"));
  const drawn = draw(m.blocks, m);
  if (m.bot_id && drawn.length) div.append(...drawn);
  else div.append(make("div", "line", plain(m.text || "")));
  for (const f of m.files || []) div.append(make("div", "context", "📎 " + (f.title || f.name)));
  return div;
}

function show() {
  for (const name of ["room", "direct", "home"]) $("tab-" + name).className = "tab" + (tab === name ? " on" : "");
  $("say").hidden = tab === "home";
  const list = $("messages");
  const below = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  if (tab === "home") {
    list.replaceChildren(...(state.home ? draw(state.home.blocks, null) : [make("p", "", "…")]));
  } else {
    const channel = state[tab];
    list.replaceChildren(...state.messages.filter((m) => m.channel === channel).map(messageNode));
  }
  if (below) list.scrollTop = list.scrollHeight;
  showModal();
}

function showModal() {
  const dialog = $("modal");
  if (!state.modal) {
    if (dialog.open) dialog.close();
    return;
  }
  if (dialog.open && dialog.dataset.view === state.modal.id) return;
  dialog.dataset.view = state.modal.id;
  const form = make("form");
  form.append(make("div", "header", state.modal.title || ""));
  for (const b of state.modal.blocks) {
    if (b.type !== "input") continue;
    const label = make("label", "", b.label.text);
    const input = make("input");
    input.name = b.element.action_id;
    label.append(input);
    form.append(label);
  }
  form.append(make("button", "primary", "Submit"));
  form.onsubmit = (e) => {
    e.preventDefault();
    act("submit", { inputs: Object.fromEntries(new FormData(form)) });
  };
  dialog.replaceChildren(form);
  if (!dialog.open) dialog.showModal();
}

async function refresh() {
  state = await (await call("state")).json();
  show();
}

async function follow() {
  for (;;) {
    try {
      await refresh();
      await call("wait");
    } catch (err) {
      $("problem").textContent = err.message;
      await new Promise((again) => setTimeout(again, 2000));
    }
  }
}

$("say").onsubmit = (e) => {
  e.preventDefault();
  const text = $("text").value;
  if (!text.trim()) return;
  $("text").value = "";
  act("say", { text, direct: tab === "direct" });
};
$("user").onchange = refresh;
for (const name of ["room", "direct", "home"]) {
  $("tab-" + name).onclick = () => {
    tab = name;
    if (name === "home") act("home", {});
    show();
  };
}
follow();
