"use strict";
(() => {
  const page = document.documentElement;
  page.classList.remove("no-script");
  const say = (text) => {
    document.getElementById("status").textContent = text;
  };

  // Sorting: within each block, over its groups; a third press restores the order of the page.
  const DIRECTIONS = { number: ["descending", "ascending"], words: ["ascending", "descending"] };
  const homes = new Map();

  const unitsOf = (rows) => {
    const units = [];
    for (const row of rows) {
      if ("follows" in row.dataset && units.length) units[units.length - 1].push(row);
      else units.push([row]);
    }
    return units;
  };

  const wordsOf = (cell) => {
    const copy = cell.cloneNode(true);
    copy.querySelectorAll(".unseen, .of, sup").forEach((part) => part.remove());
    const words = copy.textContent.trim();
    return words === "–" ? "" : words;
  };

  const comparison = (column, numeric, direction) => {
    const sign = direction === "ascending" ? 1 : -1;
    const valueOf = ([row]) => {
      const cell = row.cells[column];
      if (!numeric) return wordsOf(cell) || null;
      return "sort" in cell.dataset ? Number(cell.dataset.sort) : null;
    };
    return (one, other) => {
      const [a, b] = [valueOf(one), valueOf(other)];
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * (numeric ? a - b : a.localeCompare(b, "en", { numeric: true }));
    };
  };

  const restore = (table) => {
    for (const body of table.tBodies) body.append(...homes.get(body));
  };

  const arrange = (table, column, numeric, direction) => {
    const blocks = new Map();
    for (const body of table.tBodies) {
      if (body.classList.contains("block-title")) continue;
      const block = blocks.get(body.dataset.block) ?? [];
      blocks.set(body.dataset.block, [...block, body]);
    }
    for (const bodies of blocks.values()) {
      const units = bodies.flatMap((body) => unitsOf([...body.querySelectorAll("tr.row")]));
      units.sort(comparison(column, numeric, direction));
      bodies[0].append(...units.flat());
    }
  };

  const press = (header) => {
    const table = header.closest("table");
    const numeric = header.classList.contains("number");
    const steps = ["none", ...DIRECTIONS[numeric ? "number" : "words"]];
    const next = steps[(steps.indexOf(header.ariaSort) + 1) % steps.length];
    table.querySelectorAll("th[aria-sort]").forEach((other) => other.setAttribute("aria-sort", "none"));
    header.setAttribute("aria-sort", next);
    restore(table);
    table.classList.toggle("sorted", next !== "none");
    if (next !== "none") arrange(table, Number(header.dataset.column), numeric, next);
    const name = header.textContent.trim();
    say(next === "none" ? "Rows are in their first order again." : `Sorted by ${name}, ${next}.`);
  };

  for (const table of document.querySelectorAll("table.values")) {
    for (const body of table.tBodies) homes.set(body, [...body.rows]);
    for (const header of table.querySelectorAll("th[aria-sort]")) {
      header.querySelector("button").addEventListener("click", () => press(header));
    }
  }

  // Copying: the clipboard where the browser allows it, else the older way by a selection.
  const bySelection = (text) => {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };

  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    const text = (source.content ?? source).textContent;
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      done = bySelection(text);
      button.focus();
    }
    button.classList.toggle("done", done);
    say(done ? `Copied: ${button.dataset.what}.` : "The browser did not allow copying.");
    setTimeout(() => button.classList.remove("done"), 1500);
  };
  for (const button of document.querySelectorAll("button.copy")) {
    button.addEventListener("click", () => copy(button));
  }

  // What is folded: contents are open where there is room, a link opens what it leads into, paper shows all.
  document.getElementById("contents").open = window.matchMedia("(min-width: 70rem)").matches;
  const unfold = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let part = target?.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
    target?.scrollIntoView();
  };
  window.addEventListener("hashchange", unfold);
  if (location.hash) unfold();
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("main details:not([open])")];
    closed.forEach((part) => (part.open = true));
  });
  window.addEventListener("afterprint", () => closed.forEach((part) => (part.open = false)));
})();
