// Elements of the page. Whatever comes from the server becomes text, never markup.

/** An element with attributes (false: without; true: empty; a function: what hears the event of its name) and children. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== false) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** A title within other text, whatever its direction of writing. Data without titles have ids alone. */
export function titleOf(entry) {
  return make('bdi', {}, entry.title || `item ${entry.item}`);
}

export function genresOf(entry) {
  return make('p', {class: 'genres'}, (entry.genres ?? []).join(' · '));
}

/** "1,682 titles", "1 title". */
export function counted(number, one, many = `${one}s`) {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}

/** A rating in as few digits as it has, two at most. */
export function shortNumber(number) {
  return String(Math.round(number * 100) / 100);
}
