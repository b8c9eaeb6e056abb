// What is shown, as the address says it, so that a link shows another the same:
//   #user=249&diversity=0.3&genre=Comedy&mask=train&k=20
//   #new&rating=50:4.5&rating=172:5        #new&click=50&click=172

const OTHERWISE = {diversity: '0', genre: '', mask: 'all', k: '10', sort: 'best', fallback: ''};

/** What an address's fragment says: {mode, user, given: Map of ids to ratings (null: a click), and settings}. */
export function readState(fragment) {
  const words = new URLSearchParams(fragment.replace(/^#/, ''));
  const state = {user: words.get('user') ?? '', given: new Map()};
  for (const name of Object.keys(OTHERWISE)) state[name] = words.get(name) ?? OTHERWISE[name];
  for (const text of words.getAll('rating')) {
    // Ids may hold colons; ratings do not.
    const colon = text.lastIndexOf(':');
    const rating = Number(text.slice(colon + 1));
    if (colon > 0 && Number.isFinite(rating)) state.given.set(text.slice(0, colon), rating);
  }
  for (const item of words.getAll('click')) state.given.set(item, null);
  state.mode = words.has('new') || (state.given.size > 0 && state.user === '') ? 'new' : 'user';
  return state;
}

/** The fragment of a state, "" of one in which nothing was chosen. */
export function fragmentOf(state) {
  const words = new URLSearchParams();
  if (state.mode === 'user') {
    if (state.user !== '') words.append('user', state.user);
  } else {
    words.append('new', '');
    for (const [item, rating] of state.given) {
      if (rating === null) words.append('click', item);
      else words.append('rating', `${item}:${rating}`);
    }
  }
  for (const [name, otherwise] of Object.entries(OTHERWISE)) {
    if (state[name] !== otherwise) words.append(name, state[name]);
  }
  // A fragment may hold colons as they are.
  const text = words.toString().replaceAll('%3A', ':');
  return text === '' ? '' : `#${text}`;
}
