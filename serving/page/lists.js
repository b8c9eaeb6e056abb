// Lists of items: what somebody liked, what was given, what is recommended and why.

import {Refusal, ask, pathOf} from './client.js';
import {genresOf, make, shortNumber, titleOf} from './elements.js';
import {ratingControl, shownStars} from './rating.js';

const SIMILAR = 5;
const BONES = 10;

function cosine(value) {
  return value.toFixed(2);
}

/** The title of a row, and its genres. */
function nameRow(entry) {
  return make('div', {class: 'name'}, make('p', {class: 'title'}, titleOf(entry)), genresOf(entry));
}

/** What a user gave in training. Data may have ratings where the model takes clicks: `scale` is null then. */
export function likedRows(items, scale) {
  const shown = (rating) => (scale === null ? make('span', {class: 'number'}, shortNumber(rating)) : shownStars(scale, rating));
  return items.map((entry) => make('li', {}, nameRow(entry), entry.rating === undefined ? '' : shown(entry.rating)));
}

/** What somebody new gave, each with its rating to change and a button that takes it away. */
export function givenRows(entries, scale, {onRate, onRemove}) {
  return entries.map((entry) => make('li', {'data-item': entry.item},
    nameRow(entry),
    scale === null ? '' : ratingControl(scale, entry.rating, entry.title || entry.item, (rating) => onRate(entry.item, rating)),
    make('button', {
      type: 'button', class: 'small', 'aria-label': `Take away ${entry.title || entry.item}`, click: () => onRemove(entry.item),
    }, '✕')));
}

/** Why an item is in a list: what they liked that is near to it, but for itself and what only is the least far. */
function becauseOf(entry) {
  const others = (entry.because ?? []).filter(({item, similarity}) => item !== entry.item && similarity > 0);
  if (others.length === 0) return '';
  const near = others.flatMap((other, k) => [
    k === 0 ? '' : ' · ', make('span', {class: 'near'}, titleOf(other), `\u00a0${cosine(other.similarity)}`)]);
  return make('p', {class: 'because'}, 'Near ', ...near);
}

/** A score as text, and which part of a full bar it is. */
function scoreOf(entry, items, source, scale) {
  if (source === 'popular') {
    return {text: entry.score.toLocaleString('en'), what: 'ratings', part: entry.score / items[0].score};
  }
  if (scale !== null) {
    return {text: entry.score.toFixed(2), what: `of ${shortNumber(scale.high)}`, part: (entry.score - scale.low) / (scale.high - scale.low)};
  }
  return {text: entry.score.toPrecision(3), what: 'score', part: items[0].score > 0 ? entry.score / items[0].score : 0};
}

function scoreCell({text, what, part}) {
  const bar = make('span', {class: 'bar', 'aria-hidden': 'true'});
  bar.style.setProperty('--part', `${100 * Math.min(Math.max(part, 0), 1)}%`);
  return make('div', {class: 'score'}, make('p', {}, make('strong', {}, text), ` ${what}`), bar);
}

/** A button, and below it the similar items that the server is asked for when it is first pressed. */
function similarOf(entry) {
  const name = entry.title || entry.item;
  const panel = make('div', {class: 'similar', hidden: true});
  async function fill() {
    panel.replaceChildren(make('p', {class: 'faint', role: 'status'}, 'Looking …'));
    try {
      const answer = await ask(pathOf(['items', entry.item, 'similar'], [['k', SIMILAR]]));
      panel.replaceChildren(make('ol', {class: 'plain', 'aria-label': `Similar to ${name}`}, ...answer.items.map(
        (other) => make('li', {}, nameRow(other), make('span', {class: 'number'}, cosine(other.score))))));
      panel.dataset.filled = 'yes';
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      panel.replaceChildren(make('p', {role: 'alert'}, error.message));
    }
  }
  const button = make('button', {
    type: 'button', class: 'small', 'aria-expanded': 'false', 'aria-label': `Similar to ${name}`,
    click: () => {
      panel.hidden = !panel.hidden;
      button.setAttribute('aria-expanded', String(!panel.hidden));
      if (!panel.hidden && panel.dataset.filled === undefined) fill();
    },
  }, 'Similar');
  return {button, panel};
}

/** A list as it was answered. `onAdd` is null where nothing can be added to what was given. */
export function recommendedRows(answer, {scale, similar, onAdd}) {
  const verb = scale === null ? 'Add' : 'Rate';
  return answer.items.map((entry) => {
    const more = similar ? similarOf(entry) : null;
    return make('li', {'data-item': entry.item},
      make('span', {class: 'place', 'aria-hidden': 'true'}, String(entry.rank)),
      nameRow(entry),
      scoreCell(scoreOf(entry, answer.items, answer.source, scale)),
      make('div', {class: 'actions'},
        more?.button ?? '',
        onAdd === null ? '' : make('button', {
          type: 'button', class: 'small', 'aria-label': `${verb} ${entry.title || entry.item}`, click: () => onAdd(entry),
        }, verb)),
      becauseOf(entry),
      more?.panel ?? '');
  });
}

/** Where rows will be. */
export function boneRows() {
  return Array.from({length: BONES}, () => make('li', {class: 'bone', 'aria-hidden': 'true'}));
}
