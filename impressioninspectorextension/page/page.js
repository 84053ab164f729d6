// SPDX-License-Identifier: Apache-2.0

const $ = id => document.getElementById(id);
const number = new Intl.NumberFormat("en-US");
const clock = new Intl.DateTimeFormat("en-US", {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});

// h makes an HTML element.
function h(name, attributes = {}, ...children) {
  return build(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return build(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function build(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== ""));
  return element;
}

// rich turns `code` in a text into code elements.
function rich(text) {
  return text.split("`").map((part, i) => i % 2 ? h("code", {}, part) : part);
}

function words(name) {
  return name.replaceAll("_", " ");
}

function percent(share) {
  return share > 0 && share < 0.001 ? "<0.1%" : (100 * share).toFixed(1).replace(/\.0$/, "") + "%";
}

function rate(value) {
  return value >= 100 ? number.format(Math.round(value)) : value.toFixed(1).replace(/\.0$/, "");
}

function finding(of) {
  return [
    of.text ? h("p", {}, rich(of.text)) : null,
    of.cure ? h("p", {class: "cure"}, h("strong", {}, "Cure: "), rich(of.cure)) : null,
  ];
}

function empty(text) {
  return h("p", {class: "hint"}, text);
}

// Flow

const stageNames = {
  received: "Received by webhook", records: "Records", events: "Events", impressions: "Impressions", updates: "Updates",
  delivered: "Delivered", waiting: "Waiting", refused: "Refused",
};

function sparkline(history) {
  const most = Math.max(1, ...history);
  return svg("svg", {class: "spark", viewBox: `0 0 ${history.length} 20`, preserveAspectRatio: "none", "aria-hidden": "true"},
    history.map((n, i) => n ? svg("rect", {x: i + .1, y: 20 - 20 * n / most, width: .8, height: 20 * n / most}) : null));
}

function stage(name, figure, unit, total, history, alarm) {
  return h("li", {class: "card stage" + (alarm ? " alarm" : ""), "data-stage": name},
    h("div", {class: "name"}, stageNames[name]),
    h("div", {class: "rate"}, figure, h("small", {}, unit)),
    h("div", {class: "total"}, total),
    history ? sparkline(history) : null);
}

const places = {receiver: "Receiver", processor: "Processor", update: "No update", exporter: "Exporter"};

function showFlow(flow) {
  $("since").textContent = "Rates are of the last 10 seconds, bars of the last minute, totals since " + clock.format(new Date(flow.since)) + ".";
  const stages = flow.stages.map(s => stage(s.name, rate(s.rate), " /s", number.format(s.total) + " in total", s.history, s.name === "refused" && s.total > 0));
  stages.splice(-1, 0, stage("waiting", number.format(flow.waiting), "", "now, for another attempt", null, flow.waiting > 0));
  $("stages").replaceChildren(...stages);
  $("lost").replaceChildren(...rich(flow.lost > 0
    ? `${percent(flow.lost)} of the events that are meant as impressions are malformed and stay as they are.`
    : "No event that is meant as an impression is malformed."));
  $("left").replaceChildren(flow.left?.length ? h("table", {},
    h("thead", {}, h("tr", {}, h("th", {}, "Where"), h("th", {}, "Why"), h("th", {class: "number"}, "Count"), h("th", {class: "number"}, "Share"))),
    h("tbody", {}, flow.left.map(l => h("tr", {},
      h("td", {}, places[l.at]),
      h("td", {}, h("span", {class: "badge" + (l.cure ? " warn" : "")}, words(l.reason)), finding(l)),
      h("td", {class: "number", "data-label": "Count"}, number.format(l.count)),
      h("td", {class: "number", "data-label": "Share"}, l.share ? percent(l.share) : "–"))))) : empty("Nothing."));
}

// Experiments

function variantName(name) {
  return name === "" ? "(none)" : name;
}

function chart(variants) {
  const most = Math.max(1, ...variants.flatMap(v => v.minutes));
  const width = 360, height = 120, bottom = 102, top = 14;
  const y = n => bottom - (bottom - top) * n / most;
  const label = "Impressions by minute in the last hour: " + variants.map(v => `${variantName(v.name)} ${v.impressions}`).join(", ");
  return svg("svg", {class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label},
    svg("line", {class: "axis", x1: 0, x2: width, y1: bottom, y2: bottom}),
    svg("line", {class: "axis", x1: 0, x2: width, y1: top, y2: top}),
    svg("text", {x: 0, y: top - 3}, number.format(most) + " a minute"),
    svg("text", {x: 0, y: height - 5}, "60 minutes ago"),
    svg("text", {x: width, y: height - 5, "text-anchor": "end"}, "now"),
    variants.map((v, i) => svg("polyline", {class: `stroke v${i % 8}`, points: v.minutes.map((n, m) => `${m * width / 59},${y(n).toFixed(1)}`).join(" ")})));
}

function bar(share, index) {
  return svg("svg", {class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true"},
    svg("rect", {class: "track", width: 100, height: 8, rx: 2}), svg("rect", {class: `fill v${index % 8}`, width: 100 * share, height: 8, rx: 2}));
}

function experiment(e) {
  const all = e.variants.reduce((sum, v) => sum + v.users, 0);
  const users = v => number.format(v.users) + (v.error ? ` ± ${number.format(v.error)}` : "");
  return h("article", {class: "card", "data-flag": e.flag},
    h("div", {class: "row"}, h("h4", {}, e.flag), h("span", {class: "push"}, "last seen " + clock.format(new Date(e.last_seen)))),
    h("p", {class: "check " + e.check.state}, e.check.state === "unlikely" ? "⚠ " : e.check.state === "fits" ? "✓ " : "", e.check.text),
    h("div", {class: "split"},
      h("table", {},
        h("thead", {}, h("tr", {}, h("th", {}, "Variant"), h("th", {class: "number"}, "Users"), h("th", {}, "Share of users"), h("th", {class: "number"}, "Impressions"))),
        h("tbody", {}, e.variants.map((v, i) => h("tr", {},
          h("td", {}, h("span", {class: `dot v${i % 8}`}), variantName(v.name)),
          h("td", {class: "number", "data-label": "Users"}, users(v)),
          h("td", {"data-label": "Share"}, all ? percent(v.users / all) : "–", bar(all ? v.users / all : 0, i)),
          h("td", {class: "number", "data-label": "Impressions"}, number.format(v.impressions)))))),
      chart(e.variants)),
    h("p", {class: "hint"},
      `Users who saw more than one variant: ${number.format(e.several)}. `,
      e.share < 1 ? `Users are estimated from a sample of ${percent(e.share)} of them, with their 95% confidence intervals.` : "Users are counted exactly."));
}

function showExperiments(view) {
  $("cards").replaceChildren(...view.experiments.map(experiment),
    view.others ? empty(`${number.format(view.others)} impressions of further experiments aren't shown.`) : "",
    view.experiments.length ? "" : empty("No impression yet."));
}

// Pairs

const operations = {set: "set", unset: "unset", no_identity: "none: no identity", mutual_exclusion_group: "none: mutual exclusion group"};
const states = {delivered: "good", waiting: "warn", refused: "bad"};
const lines = new Map();

function stateBadge(p) {
  return h("span", {class: "badge " + (p.state === "delivered" && p.reason ? "warn" : states[p.state] ?? "")},
    (p.state || "not reported") + (p.reason ? `: ${words(p.reason)}` : ""));
}

function line(p) {
  const button = h("button", {class: "open", type: "button", "aria-expanded": "false"}, p.flag);
  const state = h("td", {"data-label": "Delivery"}, stateBadge(p));
  const row = h("tr", {"data-pair": p.number},
    h("td", {"data-label": "Time"}, clock.format(new Date(p.at))), h("td", {}, button), h("td", {"data-label": "Variant"}, variantName(p.variant)),
    h("td", {"data-label": "User"}, p.user || "–"), h("td", {"data-label": "User property"}, operations[p.operation] ?? words(p.operation)), state);
  const made = {row, state, details: null, shown: p.state + p.reason};
  button.addEventListener("click", () => toggle(made, button, p.number));
  return made;
}

async function toggle(made, button, id) {
  if (made.details) {
    made.details.remove();
    made.details = null;
    button.setAttribute("aria-expanded", "false");
    return;
  }
  const cell = h("td", {colspan: 6}, "Loading…");
  made.details = h("tr", {}, cell);
  made.row.after(made.details);
  button.setAttribute("aria-expanded", "true");
  const response = await fetch("pairs/" + id);
  if (!response.ok) {
    cell.textContent = await response.text();
    return;
  }
  const pair = await response.json();
  const record = (title, of) => h("div", {}, h("h4", {}, title), of ? h("pre", {}, JSON.stringify(of, null, 2)) : empty("None, or more than 64 KiB."));
  cell.replaceChildren(h("div", {class: "records"}, record("Before", pair.before), record("Update", pair.update), record("After", pair.after)));
}

function showPairs(pairs) {
  $("no-pairs").hidden = pairs.length > 0;
  const current = new Set(pairs.map(p => p.number));
  for (const [id, made] of lines) {
    if (current.has(id)) continue;
    made.row.remove();
    made.details?.remove();
    lines.delete(id);
  }
  // Lines that stay are kept, so that they keep the focus.
  for (const p of pairs.toReversed()) {
    const known = lines.get(p.number);
    if (!known) {
      const made = line(p);
      lines.set(p.number, made);
      $("lines").prepend(made.row);
    } else if (known.shown !== p.state + p.reason) {
      known.shown = p.state + p.reason;
      known.state.replaceChildren(stateBadge(p));
    }
  }
}

// Not matched

function showUnmatched(view) {
  $("shapes").replaceChildren(...(view.records.length ? view.records.map(r => h("article", {class: "card"},
    h("div", {class: "row"},
      h("span", {class: "badge" + (r.cure ? " warn" : "")}, words(r.reason)), r.event_type ? h("code", {}, r.event_type) : null,
      h("span", {class: "push"}, `${number.format(r.count)} ×, last at ${clock.format(new Date(r.last_seen))}`)),
    h("div", {class: "keys", "aria-label": "Top-level keys"}, r.keys.map(k => h("code", {}, k))),
    finding(r))) : [empty("Every record so far is an event of a known form.")]));
  $("names").replaceChildren(view.names.length ? h("table", {},
    h("thead", {}, h("tr", {}, h("th", {}, "Name"), h("th", {class: "number"}, "Count"), h("th", {}, ""))),
    h("tbody", {}, view.names.map(n => h("tr", {},
      h("td", {}, h("code", {}, n.name)),
      h("td", {class: "number", "data-label": "Count"}, number.format(n.count)),
      h("td", {}, n.listed ? h("span", {class: "badge good"}, "impression") : null, finding(n)))))) : empty("No event yet."));
}

// Explain

function showAbout(about) {
  for (const kind of ["processor", "exporter"]) {
    const ids = about[kind + "s"];
    $(kind + "-choice").hidden = ids.length < 2;
    $(kind).replaceChildren(...ids.map(id => h("option", {}, id)));
  }
}

$("curl").textContent = `curl --data @payload.json ${location.origin}/explain`;

function json(title, value) {
  return h("details", {open: ""}, h("summary", {}, title), h("pre", {}, JSON.stringify(value, null, 2)));
}

function explained(answer) {
  const behind = answer.left_behind.map(b => h("article", {class: "card"},
    h("div", {class: "row"}, h("span", {class: "badge" + (b.cure ? " warn" : "")}, words(b.reason)), h("span", {class: "push"}, `${b.at}: ${b.what}`)), finding(b)));
  const events = answer.events.map(e => h("article", {class: "card"},
    h("div", {class: "row"}, h("h4", {}, e.event_type || "no event"), h("span", {class: "push"}, `record ${e.record}`)),
    h("p", {}, rich(e.rule)),
    e.layout ? h("p", {}, "Layout ", h("code", {}, e.layout), e.root ? ` claims it in ${e.root}` : "", e.path ? [", with the event type at ", h("code", {}, e.path)] : "", ".") : null,
    e.fields ? h("table", {},
      h("thead", {}, h("tr", {}, h("th", {}, "Field"), h("th", {}, "Path"), h("th", {}, "Value"))),
      h("tbody", {}, e.fields.map(f => h("tr", {}, h("td", {}, f.field), h("td", {"data-label": "Path"}, h("code", {}, f.path)), h("td", {"data-label": "Value"}, f.value ?? "a map"))))) : null));
  return [
    h("h3", {}, "Shape"), h("p", {}, answer.shape + "."),
    behind.length ? h("h3", {}, "What stays behind") : null, behind,
    h("h3", {}, "Events"), events,
    h("h3", {}, "Results"),
    answer.processor ? json(`Records after ${answer.processor} (${answer.records?.length ?? 0})`, answer.records ?? []) : null,
    answer.exporter ? json(`Events that ${answer.exporter} would send (${answer.sent.length})`, answer.sent) : null,
  ].flat().filter(part => part);
}

$("question").addEventListener("submit", async event => {
  event.preventDefault();
  const query = new URLSearchParams({as: $("as").value, processor: $("processor").value, exporter: $("exporter").value});
  const response = await fetch("explain?" + query, {method: "POST", body: $("payload").value});
  $("answer").replaceChildren(...(response.ok ? explained(await response.json()) : [h("p", {class: "check unlikely"}, await response.text())]));
});

$("payload").addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("question").requestSubmit();
});

// Tabs

const tabs = [...document.querySelectorAll("[role=tab]")];

function select(tab) {
  for (const other of tabs) {
    const selected = other === tab;
    other.setAttribute("aria-selected", selected);
    other.tabIndex = selected ? 0 : -1;
    $(other.getAttribute("aria-controls")).hidden = !selected;
  }
  history.replaceState(null, "", "#" + tab.getAttribute("aria-controls"));
}

for (const [i, tab] of tabs.entries()) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", event => {
    const to = {ArrowRight: i + 1, ArrowLeft: i - 1 + tabs.length, Home: 0, End: tabs.length - 1}[event.key];
    if (to === undefined) return;
    event.preventDefault();
    select(tabs[to % tabs.length]);
    tabs[to % tabs.length].focus();
  });
}
select(tabs.find(tab => "#" + tab.getAttribute("aria-controls") === location.hash) ?? tabs[0]);

// Updates

const show = {about: showAbout, flow: showFlow, experiments: showExperiments, pairs: showPairs, unmatched: showUnmatched};
const latest = {};
let paused = false;

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", paused);
  $("pause").textContent = paused ? "Continue" : "Pause";
  status();
  if (!paused) for (const [name, view] of Object.entries(latest)) show[name](view);
});

function status() {
  $("status").textContent = paused ? "Paused" : stream.readyState === EventSource.OPEN ? "Live" : "Not connected";
}

const stream = new EventSource("stream");
stream.addEventListener("open", status);
stream.addEventListener("error", status);
for (const name of Object.keys(show)) {
  stream.addEventListener(name, event => {
    latest[name] = JSON.parse(event.data);
    if (!paused) show[name](latest[name]);
  });
}
