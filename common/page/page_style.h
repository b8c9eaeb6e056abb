#pragma once

namespace cf {

/// The style sheet of every page. The lines' colours are Okabe and Ito's, darker or lighter where
/// the ground asks for it. Holds neither < nor &, so that it may stand in well-formed XML as it is.
inline constexpr char kPageStyle[] = R"css(
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f5f6f8; --text: #1c2128; --faint: #5b6470;
  --rule: #d8dce2; --grid: #e6e9ed; --muted: #b4bac3; --alarm-ground: #fff4dc; --alarm: #7a4b00;
  --s0: #0072b2; --s1: #d55e00; --s2: #008f68; --s3: #b5568a; --s4: #b98400; --s5: #43a5e0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171c; --raised: #1d2127; --text: #e4e7eb; --faint: #9aa4b1;
    --rule: #363d47; --grid: #272d35; --muted: #555e6a; --alarm-ground: #3a2c0d; --alarm: #ffd98a;
    --s0: #3f97dc; --s1: #f0803c; --s2: #23b48a; --s3: #dd8fbb; --s4: #e6b84a; --s5: #a5d8ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.25rem 1rem 3rem; max-width: 78rem;
  background: var(--ground); color: var(--text); overflow-wrap: anywhere;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .75rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { margin: .5rem 0; max-width: 60rem; }
.warning {
  background: var(--alarm-ground); color: var(--alarm); padding: .5rem .75rem;
  border-left: 4px solid currentColor;
}
.table {
  overflow-x: auto; overflow-wrap: normal; margin: .75rem 0;
  width: fit-content; max-width: 100%;
  border: 1px solid var(--rule); border-radius: 6px;
}
table {
  border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums;
  min-width: 100%;
}
th, td { text-align: left; padding: .3rem .7rem; white-space: nowrap; }
thead th {
  color: var(--faint); font-weight: 600; vertical-align: bottom; white-space: normal;
  border-bottom: 1px solid var(--rule);
}
tbody tr + tr > * { border-top: 1px solid var(--grid); }
tbody th { font-weight: 600; }
tr > th:first-child {
  position: sticky; left: 0; background: var(--ground);
}
tbody tr:hover > * { background: var(--raised); }
.right { text-align: right; }
.charts {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr));
  gap: 1.5rem 2rem; margin: .75rem 0;
}
figure { margin: 0; max-width: 46rem; min-width: 0; }
figcaption { font-weight: 600; }
figure > svg { display: block; width: 100%; height: auto; }
svg text {
  font-size: 12px; font-variant-numeric: tabular-nums; fill: var(--faint); text-anchor: middle;
}
svg text.y { text-anchor: end; }
svg text.first { text-anchor: start; }
svg text.label { fill: var(--text); }
.axes path { fill: none; stroke: var(--rule); }
.axes path.grid { stroke: var(--grid); }
.plot path, .key path { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
.plot .muted path { stroke-width: 1; }
.dot { fill: currentColor; }
.spot { fill: transparent; }
.best { fill: var(--ground); stroke: currentColor; stroke-width: 2.5; }
.plot g:hover path { stroke-width: 3; }
.bars rect { fill: currentColor; }
.bars rect:hover { opacity: .75; }
.key { width: 26px; height: 10px; flex: none; vertical-align: .1em; margin-right: .5rem; }
.s0 { color: var(--s0); } .s1 { color: var(--s1); } .s2 { color: var(--s2); }
.s3 { color: var(--s3); } .s4 { color: var(--s4); } .s5 { color: var(--s5); }
.muted { color: var(--muted); }
.legend {
  list-style: none; margin: .25rem 0 0; padding: 0; font-size: .8125rem;
  display: flex; flex-wrap: wrap; gap: .1rem 1rem;
}
.legend li { display: flex; align-items: center; min-width: 0; }
details { margin: .5rem 0; }
summary { cursor: pointer; }
pre {
  margin: .5rem 0; padding: .75rem; background: var(--raised); border-radius: 6px;
  font-size: .8125rem; line-height: 1.4; overflow-x: auto; overflow-wrap: normal;
}
@media (max-width: 40rem) {
  svg text { font-size: 13.5px; }
  th, td { padding: .3rem .5rem; }
  tr > th:first-child {
    min-width: 8.25rem; max-width: 45vw; white-space: normal; overflow-wrap: anywhere;
  }
}
)css";

}  // namespace cf
