/** CSV: RFC 4180, and what spreadsheets make of it. */

const DELIMITERS = [",", ";", "\t", "|"];

/** The text of a file, UTF-8 or the UTF-16 of spreadsheets, without its byte order mark. */
export function decode(bytes) {
  const [first, second] = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength));
  const encoding = first === 0xff && second === 0xfe ? "utf-16le" : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new Error("The file is not UTF-8: save it as “CSV UTF-8”.");
  }
}

/** The records of a text, each with the number of the line it begins on. */
export function* records(text, delimiter = ",") {
  const plain = new RegExp(`[^${delimiter}\\r\\n]*`, "y");
  let place = 0;
  let line = 1;
  while (place < text.length) {
    const record = { line, cells: [] };
    for (;;) {
      let cell = "";
      if (text[place] === '"') {
        for (;;) {
          const close = text.indexOf('"', place + 1);
          if (close < 0) throw new Error(`Line ${line}: a quote is opened here and never closed.`);
          cell += text.slice(place + 1, close);
          place = close + 1;
          if (text[place] !== '"') break;
          cell += '"';
        }
        line += cell.match(/\r\n?|\n/g)?.length ?? 0;
      }
      plain.lastIndex = place;
      cell += plain.exec(text)[0];
      place = plain.lastIndex;
      record.cells.push(cell);
      if (text[place] !== delimiter) break;
      place += 1;
    }
    if (text[place] === "\r") place += 1;
    if (text[place] === "\n") place += 1;
    line += 1;
    yield record;
  }
}

/** The delimiter under which the first line has the most of these names. */
export function sniff(text, names) {
  const found = DELIMITERS.map((delimiter) => {
    const [header] = records(text, delimiter);
    const cells = header?.cells ?? [];
    return [names.filter((name) => place(cells, name) >= 0).length, cells.length];
  });
  const order = DELIMITERS.map((_, i) => i);
  order.sort((a, b) => found[b][0] - found[a][0] || found[b][1] - found[a][1] || a - b);
  return DELIMITERS[order[0]];
}

/** Where a header has a name, in any form of Unicode and with blanks around it if that is no other's; or -1. */
export function place(header, name) {
  const exact = header.indexOf(name);
  if (exact >= 0) return exact;
  const like = header.flatMap((cell, j) => (plain(cell) === plain(name) ? [j] : []));
  return like.length === 1 ? like[0] : -1;
}

const plain = (name) => name.normalize("NFC").trim();

/** A line of CSV; a lone empty cell is quoted, or it would be an empty line. */
export function write(cells, delimiter = ",") {
  const special = new RegExp(`["\\r\\n${delimiter}]|^\\s|\\s$`);
  if (cells.length === 1 && cells[0] === "") return '""\n';
  return (
    cells
      .map((cell) => (special.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : cell))
      .join(delimiter) + "\n"
  );
}
