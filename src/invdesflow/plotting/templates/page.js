"use strict";

const read = (element) => JSON.parse(document.getElementById("figure-" + element.dataset.figure).textContent);
const draw = (element) => {
  const figure = read(element);
  const displayModeBar = figure.data[0].type === "scatter" ? "hover" : false;
  return Plotly.newPlot(element, figure.data, figure.layout, { responsive: true, displaylogo: false, displayModeBar });
};

// A browser grants a page about 16 WebGL contexts. Every crystal therefore becomes a still picture, which also prints
// and lets the page scroll, and comes alive when it is clicked.
async function takePicture(element) {
  await draw(element);
  const picture = new Image();
  picture.alt = element.getAttribute("aria-label");
  picture.src = await Plotly.toImage(element, {
    format: "png", width: element.clientWidth, height: element.clientHeight, scale: 2,
  });
  Plotly.purge(element);
  element.replaceChildren(picture);
  element.addEventListener("click", () => { element.replaceChildren(); draw(element); }, { once: true });
}

function sortBy(header) {
  const rows = Array.from(header.closest("table").tBodies[0].rows);
  const column = header.cellIndex;
  const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const ascending = header.getAttribute("aria-sort") !== "ascending";
  const compare = (a, b) => {
    const difference = Number(value(a)) - Number(value(b));
    return Number.isNaN(difference) ? value(a).localeCompare(value(b)) : difference;
  };
  rows.sort((a, b) => (ascending ? compare(a, b) : compare(b, a)));
  header.parentElement.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  rows.forEach((row) => row.parentElement.append(row));
}

document.querySelectorAll(".sortable th").forEach((header) => header.addEventListener("click", () => sortBy(header)));
document.querySelectorAll(".figure").forEach(draw);
(async () => {
  for (const element of document.querySelectorAll(".structure")) await takePicture(element);
})();
