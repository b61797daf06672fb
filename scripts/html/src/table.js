// Tables of results: sorted by a click or a key on a heading, marks explained where they stand, copied as Markdown.
import { element } from "./frame.js";

/** The number that a cell begins with; cells without one come last. */
function sortValue(cell) {
  const text = cell.textContent.trim();
  const found = /^[+-]?\d+(\.\d+)?/.exec(text);
  return { text, number: found ? Number(found[0]) : null };
}

function order(a, b) {
  if (a.number !== null && b.number !== null) return a.number - b.number;
  if (a.number !== null || b.number !== null) return a.number !== null ? -1 : 1;
  return a.text.localeCompare(b.text);
}

export function sortable(table) {
  const body = table.tBodies[0];
  const first = [...body.rows];
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = element("button", { type: "button", class: "sort", title: "Sort by this column" });
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const was = heading.getAttribute("aria-sort");
      const next = { null: "ascending", ascending: "descending", descending: null }[was];
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      if (next) heading.setAttribute("aria-sort", next);
      const sign = next === "descending" ? -1 : 1;
      const keyed = first.map((row, at) => ({ row, at, key: sortValue(row.cells[column]) }));
      if (next) {
        keyed.sort((a, b) => {
          const empty = (one) => one.key.text === "–" || one.key.text === "";
          if (empty(a) !== empty(b)) return empty(a) ? 1 : -1;
          return sign * order(a.key, b.key) || a.at - b.at;
        });
      }
      body.append(...keyed.map((one) => one.row));
    });
  });
}

/** References to notes say on hover what the note says. */
export function explain(section) {
  for (const mark of section.querySelectorAll("a.note")) {
    const note = document.getElementById(mark.getAttribute("href").slice(1));
    if (note) mark.title = note.textContent.trim();
  }
}

/** A button that copies a text. Pages from a file may not use the clipboard: the text is then selected. */
export function copies(button, text) {
  button.hidden = false;
  const said = button.textContent;
  const tell = (words) => {
    button.textContent = words;
    setTimeout(() => { button.textContent = said; }, 1500);
  };
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      tell("copied");
    } catch {
      const area = element("textarea", { readonly: "", rows: 12, "aria-label": said });
      area.value = text();
      button.after(area);
      area.select();
      tell(document.execCommand("copy") ? "copied" : "press Ctrl+C");
      if (button.textContent === "copied") area.remove();
    }
  });
}
