// A control for a rating on the model's own scale: stars where these can say it, else a number.

import {make, shortNumber} from './elements.js';

const STARS_MAX = 10;

/** {low, high, step, stars} of a model that takes ratings; stars: how many are drawn, 0 where the scale is none of stars. */
export function scaleOf(model) {
  const low = model.rating_min;
  const high = model.rating_max;
  const starred = low >= 0 && high <= STARS_MAX && Number.isInteger(high) && Number.isInteger(low * 2);
  return {low, high, step: starred ? (Number.isInteger(low) ? 1 : 0.5) : 'any', stars: starred ? high : 0};
}

export function ratingText(scale, rating) {
  return scale.stars > 0 ? `${shortNumber(rating)} of ${scale.high}` : shortNumber(rating);
}

/** Stars that only show a rating. */
export function shownStars(scale, rating) {
  if (scale.stars === 0) return make('span', {class: 'number'}, shortNumber(rating));
  return make('span', {class: 'stars', role: 'img', 'aria-label': ratingText(scale, rating)}, drawStars(scale, rating));
}

function drawStars(scale, rating) {
  const drawn = make('span', {class: 'drawn', 'aria-hidden': 'true'}, '★'.repeat(scale.stars));
  drawn.style.setProperty('--full', `${100 * rating / scale.stars}%`);
  return drawn;
}

/** A control that says each new rating to `onChange`. `name` is what is rated. */
export function ratingControl(scale, rating, name, onChange) {
  const starred = scale.stars > 0;
  const input = make('input', {
    type: starred ? 'range' : 'number', min: scale.low, max: scale.high, step: scale.step, value: rating,
    'aria-label': `Your rating of ${name}`,
  });
  const say = () => input.setAttribute('aria-valuetext', ratingText(scale, input.valueAsNumber));
  input.addEventListener('change', () => {
    if (input.checkValidity() && !Number.isNaN(input.valueAsNumber)) onChange(input.valueAsNumber);
    else input.reportValidity();
  });
  if (!starred) return input;
  // A slider lies over the stars. Its thumb is as wide as a step, so that each part of a star is the rating that it looks like.
  const drawn = drawStars(scale, rating);
  input.style.setProperty('--steps', scale.stars / scale.step);
  input.addEventListener('input', () => {
    drawn.style.setProperty('--full', `${100 * input.valueAsNumber / scale.stars}%`);
    say();
  });
  say();
  return make('span', {class: 'stars'}, drawn, input);
}
