"use strict";

// Plots. Colours are CSS variables, which Plotly does not know: they are looked up, and again when the scheme changes.
const dark = matchMedia("(prefers-color-scheme: dark)");
const mouse = matchMedia("(pointer: fine)").matches;

function coloured(value) {
  const style = getComputedStyle(document.documentElement);
  const look = (text) => text.replace(/^var\((--[\w-]+)\)$/, (_, name) => style.getPropertyValue(name).trim());
  return JSON.parse(JSON.stringify(value), (key, inner) => (typeof inner === "string" ? look(inner) : inner));
}

function draw(place, figure, width) {
  const { data, layout } = coloured(figure);
  if (width) [layout.width, layout.autosize] = [width, false];
  layout.dragmode = mouse ? "zoom" : false; // with a finger one scrolls the page
  const image = { filename: place.id, format: "svg" };
  const config = { responsive: true, displaylogo: false, displayModeBar: mouse ? "hover" : false, toImageButtonOptions: image };
  config.modeBarButtons = [["toImage", "resetScale2d"]];
  return Plotly.react(place, data, layout, config);
}

function singleOut(place) {
  place.on("plotly_hover", (event) => {
    const trace = event.points[0].fullData;
    if (!trace._input || !place.layout.meta || !place.layout.meta.lines) return;
    place.classList.add("lit");
    for (const line of place.querySelectorAll(".trace")) line.classList.toggle("chosen", line.classList.contains("trace" + trace.uid));
  });
  place.on("plotly_unhover", () => place.classList.remove("lit"));
}

function choice(place, figures, shown, show) {
  const select = document.createElement("select");
  figures.forEach((figure, index) => select.add(new Option(figure.label, index, index === shown, index === shown)));
  select.addEventListener("change", () => show(Number(select.value)));
  const label = document.createElement("label");
  label.className = "view";
  label.append(place.dataset.word, select);
  place.parentElement.before(label);
}

// A plot is drawn once it is near the part of the page that is seen, so that a page of thousands of trials opens at once.
const plots = new Map(); // by its place: what draws a plot, on paper of a width or, without one, on the screen

function begin(place) {
  const figures = JSON.parse(document.getElementById(place.id + "-figures").textContent);
  let shown = Number(place.dataset.first);
  let drawn = false;
  const show = (width) => {
    const done = draw(place, figures[shown], width);
    if (!drawn) done.then(() => singleOut(place));
    drawn = true;
  };
  if (figures.length > 1) choice(place, figures, shown, (index) => { shown = index; show(); });
  plots.set(place, { show, again: () => drawn && show() });
}

for (const place of document.querySelectorAll(".plot")) begin(place);

const near = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((one) => one.isIntersecting)) {
    near.unobserve(entry.target);
    plots.get(entry.target).show();
  }
}, { rootMargin: "600px" });

async function unpackPlotly() {
  const bytes = Uint8Array.from(atob(document.getElementById("plotly").textContent), (character) => character.charCodeAt(0));
  const script = document.createElement("script");
  script.textContent = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  document.head.append(script);
  for (const place of plots.keys()) near.observe(place);
}

unpackPlotly();

dark.addEventListener("change", () => plots.forEach(({ again }) => again()));

// Print. All plots are drawn as wide as the paper, in the colours of the light scheme; a wider one is made smaller.
const PAPER = 660; // CSS pixels between the margins of A4, the narrower of the usual sizes of paper
const opened = [];

addEventListener("beforeprint", () => {
  document.documentElement.classList.add("printed");
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    opened.push(details);
  }
  if (window.Plotly) plots.forEach(({ show }, place) => {
    const width = Math.max(PAPER, parseFloat(place.style.minWidth) || 0);
    place.style.zoom = PAPER / width;
    show(width);
  });
});

addEventListener("afterprint", () => {
  document.documentElement.classList.remove("printed");
  for (const details of opened.splice(0)) details.open = false;
  if (window.Plotly) plots.forEach(({ show }, place) => {
    place.style.zoom = "";
    show();
  });
});

// Tables. Each group of rows is sorted in itself; what has no value comes last, whichever way.
const words = new Intl.Collator("en", { numeric: true });

function sorted(rows, column, number, sign) {
  const keyed = rows.map((row) => [row.cells[column].dataset.key ?? row.cells[column].textContent, row]);
  keyed.sort(([x], [y]) => {
    if (x === "" || y === "") return (x === "") - (y === "");
    return sign * (number ? Number(x) - Number(y) : words.compare(x, y));
  });
  return keyed.map(([key, row]) => row);
}

function sort(head) {
  const descending = head.ariaSort === "ascending";
  for (const other of head.parentElement.cells) other.ariaSort = "none";
  head.ariaSort = descending ? "descending" : "ascending";
  for (const body of head.closest("table").tBodies) {
    const rows = [...body.rows].filter((row) => row.cells[0].tagName === "TD");
    body.append(...sorted(rows, head.cellIndex, head.classList.contains("number"), descending ? -1 : 1));
  }
}

for (const button of document.querySelectorAll("button.whole")) {
  button.addEventListener("click", () => {
    for (const body of document.getElementById(button.dataset.table).tBodies) body.classList.add("whole");
    button.remove();
  });
}

for (const button of document.querySelectorAll("thead button")) {
  button.addEventListener("click", () => sort(button.parentElement));
}

function texts(table) {
  const grouped = [...table.tBodies].some((body) => body.dataset.group);
  const lines = [[...(grouped ? ["budget"] : []), ...[...table.tHead.rows[0].cells].map((cell) => cell.textContent)]];
  for (const body of table.tBodies) {
    for (const row of body.rows) {
      if (row.cells[0].tagName !== "TD") continue;
      lines.push([...(grouped ? [body.dataset.group] : []), ...[...row.cells].map((cell) => cell.textContent)]);
    }
  }
  return lines;
}

// As analysis/text/formats.py has it: an apostrophe before a text, no number, that a spreadsheet would take for a formula.
function quoted(text) {
  if (/^[=+@\t\r]|^-./.test(text) && Number.isNaN(Number(text))) text = "'" + text;
  return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}

function download(table) {
  const lines = texts(table).map((line) => line.map(quoted).join(",") + "\r\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "text/csv" }));
  link.download = table.id + ".csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

for (const button of document.querySelectorAll("button.download")) {
  button.addEventListener("click", () => download(document.getElementById(button.dataset.table)));
}
