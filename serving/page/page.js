// The page: what is chosen is in the address (state.js); whatever changes it, the page is shown anew from there.

import {Refusal, ask, onTokenWanted, pathOf} from './client.js';
import {counted, make} from './elements.js';
import {boneRows, givenRows, likedRows, recommendedRows} from './lists.js';
import {ratingText, scaleOf} from './rating.js';
import {fragmentOf, readState} from './state.js';
import {suggestTitles} from './suggest.js';

const LIKED = 10;
const BECAUSE = 3;
const EXAMPLES = 3;
// Whoever drags a slider asks for what it ends at.
const SETTLED_MS = 150;

const at = (id) => document.getElementById(id);

let model = null;          // What /v1/model says.
let scale = null;          // Of its ratings; null where it takes clicks.
let state = readState(location.hash);
let loading = null;        // Aborts what is under way when something else is wanted.
let settled = 0;
const titles = new Map();  // Of given items: {item, title, genres}.

// --- The token.

onTokenWanted((again) => new Promise((resolve) => {
  const form = at('token-form');
  if (again) at('token-note').textContent = 'That was not it. It is kept until the page is closed, and nowhere else.';
  form.hidden = false;
  at('token').focus();
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    form.hidden = true;
    resolve(at('token').value);
    at('token').value = '';
  }, {once: true});
}));

// --- What is asked.

function settings() {
  const asked = [['k', Number(state.k)], ['mask', state.mask], ['because', model.similar ? BECAUSE : 0]];
  if (state.diversity !== '0') asked.push(['diversity', Number(state.diversity)]);
  if (state.genre !== '') asked.push(['genre', state.genre]);
  if (state.fallback !== '') asked.push(['fallback', state.fallback]);
  return asked;
}

function givenWords() {
  const given = [...state.given];
  if (scale === null) return {clicks: given.map(([item]) => item)};
  return {ratings: given.map(([item, rating]) => ({item, rating: rating ?? scale.high}))};
}

function askForList(signal) {
  if (state.mode === 'user') {
    return ask(pathOf(['users', state.user, 'recommendations'], settings()), {signal});
  }
  return ask(pathOf(['recommendations']), {body: {...givenWords(), ...Object.fromEntries(settings())}, signal});
}

/** The titles of given items that came with a link: the list that is made of these alone has them. */
async function learnTitles(signal) {
  const unknown = [...state.given.keys()].filter((item) => !titles.has(item));
  if (unknown.length === 0) return;
  const body = {...givenWords(), candidates: unknown, mask: 'none', k: unknown.length};
  const answer = await ask(pathOf(['recommendations']), {body, signal});
  for (const item of unknown) titles.set(item, {item});  // Those of which the model has learned nothing are in no list.
  for (const {item, title, genres} of answer.items) titles.set(item, {item, title, genres});
  showGiven();
}

// --- What is shown.

function showModes() {
  for (const radio of document.querySelectorAll('[name=mode]')) radio.checked = radio.value === state.mode;
  at('user-panel').hidden = state.mode !== 'user';
  at('new-panel').hidden = state.mode !== 'new';
  at('user').value = state.user;
  for (const name of ['diversity', 'genre', 'mask', 'k', 'sort']) {
    at(name).value = state[name];
    // A link may name what there is not to choose: the server says what it has against it.
    if (at(name).value === '' && state[name] !== '') at(name).append(make('option', {selected: true}, state[name]));
  }
  at('diversity-value').textContent = at('diversity').value;
}

function showGiven() {
  const entries = [...state.given].map(([item, rating]) => ({item, ...titles.get(item), rating: rating ?? scale?.high})).reverse();
  at('given').replaceChildren(...givenRows(entries, scale, {onRate: give, onRemove: takeAway}));
  at('clear').hidden = entries.length === 0;
}

function showLiked(answer) {
  at('liked').hidden = false;
  at('liked-list').replaceChildren(...likedRows(answer.items, scale));
  const all = counted(answer.total, scale === null ? 'item' : 'rating');
  at('liked-note').textContent = answer.total > answer.items.length ? `${answer.items.length} of ${all}` : all;
}

/** Of an unknown user the list says it; that nobody knows what is newest leaves the choice of the order. */
function showNoLiked(error) {
  at('liked').hidden = error.status === 404;
  at('liked-list').replaceChildren();
  at('liked-note').textContent = error.message;
}

function statusOf(answer) {
  if (answer.items.length === 0) return 'Nothing is left with these settings.';
  const found = counted(answer.items.length, 'title');
  const rests = {
    popular: 'that most people rated: the model knows nothing of this person',
    fold_in: `from ${counted(state.given.size, scale === null ? 'item' : 'rating')}`,
  };
  return `${found} ${rests[answer.source] ?? `for user ${state.user}`}`;
}

function showAnswered({model: by}) {
  const name = ({version, digest}) => [version, ' · digest ', make('code', {title: digest}, digest.slice(0, 12))];
  at('answered').replaceChildren('Answered by ', ...name(by), ...(by.rank ? ['; ranked by ', ...name(by.rank)] : []));
}

function showList(answer) {
  at('status').textContent = statusOf(answer);
  at('list').replaceChildren(...recommendedRows(answer, {
    scale,
    similar: model.similar,
    onAdd: state.mode === 'new' ? add : null,
  }));
  showAnswered(answer);
}

function showEmpty() {
  at('status').textContent = '';
  at('list').replaceChildren();
  at('list').setAttribute('aria-busy', 'false');
  at('answered').replaceChildren();
  at('empty').hidden = false;
  at('empty').textContent = state.mode === 'user'
    ? 'Whose list do you want to see? Enter a user id.'
    : 'Type a title that you know and choose it: from the first on there are recommendations.';
}

function showProblem(error) {
  const buttons = [make('button', {type: 'button', click: show}, 'Try again')];
  if (error.status === 404 && state.fallback === '') {
    buttons.push(make('button', {type: 'button', click: () => change({fallback: 'popular'})}, 'Show the most rated'));
  }
  at('status').textContent = '';
  at('list').replaceChildren();
  at('answered').replaceChildren();
  at('problem').replaceChildren(make('p', {}, error.message), make('div', {class: 'line'}, ...buttons));
  at('problem').hidden = false;
}

async function load(signal) {
  if (state.mode === 'new') {
    await learnTitles(signal);
    return askForList(signal);
  }
  const [liked, list] = await Promise.allSettled([
    ask(pathOf(['users', state.user, 'ratings'], [['k', LIKED], ['sort', state.sort]]), {signal}), askForList(signal)]);
  signal.throwIfAborted();
  if (liked.status === 'fulfilled') showLiked(liked.value);
  else showNoLiked(liked.reason);
  if (list.status === 'rejected') throw list.reason;
  return list.value;
}

/** Shows the state: at once what needs no server, then what it answers, unless something else is wanted by then. */
async function show() {
  loading?.abort();
  loading = new AbortController();
  const {signal} = loading;
  showModes();
  showGiven();
  at('problem').hidden = true;
  at('empty').hidden = true;
  if (state.mode === 'user' ? state.user === '' : state.given.size === 0) {
    at('liked').hidden = true;
    showEmpty();
    return;
  }
  at('list').setAttribute('aria-busy', 'true');
  if (at('list').children.length === 0) {
    at('list').replaceChildren(...boneRows());
    at('status').textContent = 'Looking …';
  }
  try {
    const answer = await load(signal);
    if (!signal.aborted) showList(answer);
  } catch (error) {
    if (signal.aborted) return;
    showProblem(error);
    if (!(error instanceof Refusal)) throw error;
  } finally {
    if (!signal.aborted) at('list').setAttribute('aria-busy', 'false');
  }
}

// --- What is changed.

/** Changes the state and its address. Whom the list is for is a step that the browser's Back undoes. */
function change(changes, {step = false} = {}) {
  state = {...state, ...changes};
  const address = location.pathname + location.search + fragmentOf(state);
  if (step) history.pushState(null, '', address);
  else history.replaceState(null, '', address);
  show();
}

function give(item, rating) {
  change({given: new Map(state.given).set(item, rating)});
  // The rows were made anew; whoever rates with the keyboard stays where they were.
  at('given').querySelector(`[data-item="${CSS.escape(item)}"] input`)?.focus();
}

function add(entry) {
  const {item, title, genres} = entry;
  titles.set(item, {item, title, genres});
  const given = new Map(state.given);
  given.delete(item);  // What is given again comes first.
  const rating = scale === null ? null : scale.high;
  change({given: given.set(item, rating), fallback: ''}, {step: true});
  at('suggest-note').textContent = `${title || item} is in the list${rating === null ? '' : `, ${ratingText(scale, rating)}`}.`;
  (at('given').querySelector('input') ?? at('given').querySelector('button')).focus();
}

function takeAway(item) {
  const given = new Map(state.given);
  given.delete(item);
  change({given, fallback: ''}, {step: true});
  at('title').focus();
}

function listen() {
  at('user-form').addEventListener('submit', (event) => {
    event.preventDefault();
    change({user: at('user').value.trim(), fallback: ''}, {step: true});
  });
  for (const radio of document.querySelectorAll('[name=mode]')) {
    radio.addEventListener('change', () => change({mode: radio.value, fallback: ''}, {step: true}));
  }
  for (const name of ['genre', 'mask', 'k', 'sort']) {
    at(name).addEventListener('change', () => change({[name]: at(name).value}));
  }
  at('diversity').addEventListener('input', () => {
    at('diversity-value').textContent = at('diversity').value;
    clearTimeout(settled);
    settled = setTimeout(() => change({diversity: at('diversity').value}), SETTLED_MS);
  });
  at('clear').addEventListener('click', () => {
    change({given: new Map(), fallback: ''}, {step: true});
    at('title').focus();
  });
  suggestTitles({field: at('title'), list: at('suggestions'), note: at('suggest-note'), onTake: add});
  addEventListener('popstate', () => {
    state = readState(location.hash);
    show();
  });
}

// --- The beginning.

function showModel() {
  const {name, users, items} = model.data;
  at('data').textContent = [name, counted(users, 'user'), counted(items, 'item')].filter(Boolean).join(' · ');
  if (name) document.title = `Recommendations · ${name}`;
  scale = model.given === 'ratings' ? scaleOf(model) : null;
  at('genre').append(...model.genres.map((genre) => make('option', {value: genre}, genre)));
  at('genre-setting').hidden = model.genres.length === 0;
  if (!model.fold_in) {
    const radio = document.querySelector('[name=mode][value=new]');
    radio.disabled = true;
    radio.parentElement.title = 'This model takes in nobody whom it was not trained on.';
  }
}

/** Names some users, so that nobody has to guess how ids look: those for whom the first title that is found is best. */
async function showExamples() {
  try {
    const {items: [first]} = await ask(pathOf(['items'], [['query', 'a'], ['k', 1]]));
    if (first === undefined) return;
    const {users} = await ask(pathOf(['items', first.item, 'users'], [['k', EXAMPLES]]));
    const buttons = users.map(({user}) => make('button', {
      type: 'button', class: 'link', click: () => change({user, fallback: ''}, {step: true})}, user));
    at('examples').replaceChildren('for instance ', ...buttons.flatMap((button, k) => (k === 0 ? [button] : [', ', button])));
    at('examples').hidden = false;
  } catch (error) {
    // Not every model has an answer to this; the page is whole without it.
    if (!(error instanceof Refusal)) throw error;
  }
}

async function begin() {
  try {
    model = await ask(pathOf(['model']));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    at('main').hidden = false;
    at('problem').replaceChildren(make('p', {}, error.message), make('button', {type: 'button', click: () => location.reload()}, 'Try again'));
    at('problem').hidden = false;
    return;
  }
  showModel();
  listen();
  at('liked').open = matchMedia('(min-width: 56rem)').matches;  // On a phone it would push the list out of sight.
  at('main').hidden = false;
  show();
  showExamples();
}

begin();
