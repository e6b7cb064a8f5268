// How the report for a browser looks, in light and dark. The colours of the series can be told apart on both, also by
// people who don't see all colours; the names stand beside the bars anyway.

export const pageStyle = `
:root {
  --paper: #fff; --ink: #1d2733; --quiet: #5b6875; --rule: #dde3e9; --warn: #b3261e;
  --series-1: #8a97a5; --series-2: #c98500; --series-3: #1668c5; --series-4: #c2410c;
  --series-5: #15803d; --series-6: #8b3fb8; --series-7: #0e8a93; --series-8: #b0326b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14191f; --ink: #e3e9ef; --quiet: #9aa7b4; --rule: #313b46; --warn: #ff8a80;
    --series-1: #8996a3; --series-2: #e5b13a; --series-3: #5ea8f5; --series-4: #f58a5b;
    --series-5: #5fc381; --series-6: #c58ae6; --series-7: #4fc4cd; --series-8: #f07fb0;
  }
}
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
  max-width: 1320px; margin: 0 auto; padding: 24px; }
h1 { margin: 0 0 12px; } h2 { margin: 40px 0 4px; border-top: 1px solid var(--rule); padding-top: 20px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 0 0 16px; }
dt, footer, small, p { color: var(--quiet); } dd { margin: 0; }
a { color: var(--series-3); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(520px, 100%), 1fr)); gap: 20px 32px; }
figure { margin: 0; } figcaption { font-weight: 600; margin: 8px 0; }
svg { width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--ink); font-size: 13px; } svg .figure { font-variant-numeric: tabular-nums; }
.grid { stroke: var(--rule); fill: none; } .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.range { stroke: var(--ink); stroke-opacity: .65; fill: none; }
.legend span { margin-right: 16px; white-space: nowrap; color: var(--ink); }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; }
.scroll { overflow-x: auto; margin-top: 16px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 12px; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
th:first-child, .words, .contestants td { text-align: left; }
.contestants td, .words { white-space: normal; min-width: 180px; } tbody th, td { vertical-align: top; }
td.words { color: var(--quiet); } .overview { margin-bottom: 16px; } .overview .best { font-weight: 700; }
thead th { color: var(--quiet); font-weight: 500; }
.warning { color: var(--warn); } footer { margin: 48px 0 0; font-size: 13px; }
`
