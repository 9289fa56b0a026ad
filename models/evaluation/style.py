"""How a report looks: on screens in light and dark, on a phone, and on paper."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--page:#fff;--text:#1f2328;--quiet:#59636e;--line:#d1d9e0;
--soft:#f6f8fa;--own:9 105 218;--bad:#b3261e;--good:#1a7f37;--bad-soft:#ffebe9;--good-soft:#dafbe1;
--note:#fff8c5;--c2:#b35900;--c3:#1a7f37;--c4:#8250df;--c5:#bf3989}
@media(prefers-color-scheme:dark){:root{--page:#0d1117;--text:#e6edf3;--quiet:#9198a1;
--line:#3d444d;--soft:#151b23;--own:68 147 248;--bad:#ff7b72;--good:#3fb950;--bad-soft:#3c1618;
--good-soft:#12261e;--note:#2e2a1f;--c2:#e09b4f;--c3:#3fb950;--c4:#ab7df8;--c5:#e275ad}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:1.5rem 1.25rem 3rem;background:var(--page);
color:var(--text);font:16px/1.5 system-ui,sans-serif;overflow-wrap:break-word}
h1{font-size:1.7rem;line-height:1.25;margin:0 0 .25rem}
h2{font-size:1.25rem;margin:2.5rem 0 .5rem;padding-top:1rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.5rem 0 .5rem}
p{margin:.5rem 0;max-width:44rem}
.lead{font-size:1.15rem}.quiet,caption,figcaption{color:var(--quiet)}
.note{background:var(--note);padding:.6rem .9rem;border-radius:6px}
.gates{list-style:none;padding:0;margin:1rem 0}
.gates li{padding:.4rem .8rem;margin:.3rem 0;border-radius:6px;background:var(--good-soft)}
.gates .bad{background:var(--bad-soft)}.gates strong{color:var(--good)}
.gates .bad strong,.worse{color:var(--bad)}.worse{font-weight:600}
.scroll{overflow-x:auto;margin:.75rem 0}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
caption{text-align:left;padding-bottom:.4rem;font-size:.9rem}
th,td{padding:.3rem .7rem;text-align:right;border-bottom:1px solid var(--line);
vertical-align:top;white-space:nowrap}
thead th{border-bottom:2px solid var(--line);font-weight:600;white-space:normal;
vertical-align:bottom}td code{white-space:nowrap;overflow-wrap:normal}
th:first-child,td.text,th.text{text-align:left}tbody th{font-weight:400}
td.text,tbody th{white-space:normal;max-width:24rem}td.text{min-width:12rem}
tbody th{min-width:9rem}
.matrix td{text-align:center;min-width:3rem}.matrix thead th{text-align:center}
.matrix thead th:first-child{text-align:left}
.h1{background:rgb(var(--own)/.1);fill-opacity:.15}.h2{background:rgb(var(--own)/.2);
fill-opacity:.35}.h3{background:rgb(var(--own)/.3);fill-opacity:.55}
.h4{background:rgb(var(--own)/.4);fill-opacity:.8}
.h5{background:rgb(var(--own)/.5);fill-opacity:1}
.matrix .right{font-weight:600}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:1.5rem}
figure{margin:.75rem 0;max-width:30rem}figcaption{font-size:.9rem}
svg.plot{display:block;width:100%;height:auto}svg.mark{width:120px;height:16px;vertical-align:middle}
svg text{fill:var(--quiet);font:12px system-ui,sans-serif}svg .axis{fill:var(--text)}
.grid{stroke:var(--line);fill:none}.frame{fill:var(--soft)}
.line{fill:none;stroke:rgb(var(--own));stroke-width:2}
.line.guide{stroke:var(--quiet);stroke-width:1;stroke-dasharray:4 4}
.line.c2{stroke:var(--c2)}.line.c3{stroke:var(--c3)}.line.c4{stroke:var(--c4)}
.line.c5{stroke:var(--c5)}
.dot,.bar,.heat{fill:rgb(var(--own))}.many .dot{fill-opacity:.45}
.interval{stroke:rgb(var(--own));stroke-width:1.5;fill:none}
.key{list-style:none;padding:0;margin:.3rem 0;font-size:.9rem}
.key svg{width:24px;height:8px;vertical-align:middle;margin-right:.5rem}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.3rem 1rem;margin:.75rem 0}
dt{color:var(--quiet)}dd{margin:0}code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}
@media(max-width:34rem){body{padding:1rem .9rem 2rem}dl{grid-template-columns:minmax(0,1fr);gap:0}
dd{margin-bottom:.5rem}td.text:last-child{min-width:24rem}th,td{padding:.3rem .45rem}}
@media print{:root{color-scheme:light;--page:#fff;--text:#000;--quiet:#444;--line:#bbb;
--soft:#f6f8fa;--own:9 105 218;--bad:#b3261e;--good:#1a7f37;--bad-soft:#ffebe9;
--good-soft:#dafbe1;--note:#fff8c5;--c2:#b35900;--c3:#1a7f37;--c4:#8250df;--c5:#bf3989}
body{font-size:10pt;max-width:none;padding:0;print-color-adjust:exact;
-webkit-print-color-adjust:exact}
.scroll{overflow:visible}table.short{break-inside:avoid}tbody tr:first-child{break-before:avoid}
h2,h3,caption{break-after:avoid}figure,tr,.gates li{break-inside:avoid}
thead{display:table-header-group}.plots{grid-template-columns:1fr 1fr}@page{margin:15mm}}
"""
