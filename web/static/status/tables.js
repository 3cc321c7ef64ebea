// Shows rows in a table. Text from elsewhere is inserted as text, never as HTML.

export class Table {
  #table;
  #headings;
  #rows = new Map();

  constructor(id) {
    this.#table = document.getElementById(id);
    this.#headings = [...this.#table.querySelectorAll("th")];
  }

  /**
   * Show exactly these rows. What has not changed is left alone, so that it can be selected and copied.
   * @param {object[]} rows each with a `key`, its `cells`, and a `state` for the style sheet; a cell is a text, or a
   *   text with a detail below it, as a list of both
   */
  show(rows) {
    const keys = new Set(rows.map(({ key }) => key));
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    rows.forEach((row, place) => this.#place(this.#fill(row), place));
    this.#table.hidden = !rows.length;
  }

  #fill({ key, cells, state = "" }) {
    const row = this.#rows.get(key) ?? this.#newRow();
    this.#rows.set(key, row);
    row.dataset.state = state;
    cells.forEach((cell, column) => {
      const [text, detail = ""] = [cell].flat();
      const [first, second] = row.children[column].children;
      showText(first, text);
      showText(second, detail);
    });
    return row;
  }

  #newRow() {
    const row = element("tr", "row");
    this.#headings.forEach((heading, column) => {
      const cell = column ? element("td", "cell") : element("th", "rowheader");
      if (!column) cell.scope = "row";
      cell.className = heading.className;
      cell.dataset.label = heading.textContent;
      cell.append(document.createElement("span"), document.createElement("small"));
      row.append(cell);
    });
    return row;
  }

  #place(row, place) {
    const body = this.#table.tBodies[0];
    if (body.children[place] !== row) body.insertBefore(row, body.children[place] ?? null);
  }
}

/** Write only a text that has changed. */
export function showText(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

function element(tag, role) {
  const made = document.createElement(tag);
  made.setAttribute("role", role);
  return made;
}
