#include "training/report/page_style.h"

#include "training/report/palette.h"

namespace softmoe::training {

namespace {

constexpr std::string_view kLight =
    R"(--page:#f6f5f2;--card:#fff;--ink:#14140f;--soft:#5c5b55;--faint:#8b8982;--rule:#e4e2dc;
--grid:#eceae4;--accent:#2a78d6;--good:#1a7f4e;--warn:#a85a00;--bad:#c62f2f;--dead:#17131f;--mark:#6a6861;
--note:#fff6e0;)";

constexpr std::string_view kDark =
    R"(--page:#131312;--card:#1c1c1a;--ink:#f1f0ec;--soft:#b5b3ab;--faint:#86847c;--rule:#33322f;
--grid:#2a2a27;--accent:#4a94ec;--good:#4cc98a;--warn:#f0b04a;--bad:#f27777;--dead:#f5f04a;--mark:#a3a199;
--note:#2e2715;)";

constexpr std::string_view kText = R"(
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1240px;margin:0 auto;padding:28px 22px 60px}
h1{font-size:27px;line-height:1.2;margin:0;letter-spacing:-.015em;overflow-wrap:anywhere}
h2{font-size:19px;margin:42px 0 4px;letter-spacing:-.01em}
h3{font-size:15px;margin:0;font-weight:640}
p{margin:4px 0}
section>p{color:var(--soft);max-width:80ch}
.lead{color:var(--soft);margin-top:6px}
.badge{display:inline-block;padding:1px 10px;border-radius:99px;font-size:13px;font-weight:600;
border:1px solid;vertical-align:3px;margin-left:10px;white-space:nowrap}
.badge.good{color:var(--good)}.badge.warn{color:var(--warn)}
.tiles{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:12px;margin:22px 0 0;padding:0}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:12px 16px}
.tile dt{color:var(--soft);font-size:13px}
.tile dd{margin:0}
.tile .value{font-size:25px;line-height:1.3;font-weight:620;letter-spacing:-.02em}
.tile .more{color:var(--faint);font-size:12.5px}
.note{background:var(--note);border:1px solid var(--rule);border-radius:10px;padding:10px 16px;margin:18px 0 0}
.note ul{margin:0;padding-left:18px}
.charts{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:14px;margin-top:12px}
.charts>.wide{grid-column:1/-1}
.charts>figure{display:grid;grid-row:span 4;grid-template-rows:subgrid;grid-template-columns:minmax(0,1fr);row-gap:0}
figcaption{grid-row:1}.legend{grid-row:2}svg.plot,.none{grid-row:3}.numbers{grid-row:4}
figure{margin:0;background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:14px 16px 10px;
min-width:0;break-inside:avoid}
figcaption p{color:var(--soft);font-size:13px;line-height:1.42;margin:2px 0 6px}
.none{color:var(--faint);font-size:13px;padding:20px 0}
svg.plot{display:block;width:calc(100% - 68px);margin:24px 14px 42px 54px;overflow:visible}
svg.curves,svg.cells{overflow:visible}
.ground{fill:transparent}
.grid{stroke:var(--grid)}
.axis,.notch{stroke:var(--rule)}
text{font:12px system-ui,sans-serif;fill:var(--faint);font-variant-numeric:tabular-nums}
.tick.y,.name.end{text-anchor:end}
.tick.x{text-anchor:middle}
line.mark{stroke:var(--mark);stroke-dasharray:2 3}
text.mark{fill:var(--mark);text-anchor:middle;font-weight:700;font-size:11px}
path.line{fill:none;stroke:var(--is);stroke-width:2;stroke-linejoin:round;stroke-linecap:round;
vector-effect:non-scaling-stroke}
path.line.thin{stroke-width:1;opacity:.42}
path.line.dashed{stroke-dasharray:5 4;stroke-width:1.8}
path.line.dots{stroke-width:8}
path.band{fill:var(--is);opacity:.2;stroke:none}
path.area{fill:var(--is);stroke:var(--card);stroke-width:1;vector-effect:non-scaling-stroke}
path.cell{fill:none;stroke:var(--is);stroke-width:1;shape-rendering:crispEdges}
path.cell.apart{stroke-width:.9;shape-rendering:auto}
.dead{--is:var(--dead)}
.bad{--is:var(--bad)}
.quiet{--is:var(--mark)}
.dim{opacity:.1!important}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 16px;margin:0 0 4px;padding:0;font-size:12.5px;
color:var(--soft)}
.legend li{display:flex;align-items:center;gap:6px}
.legend .scale{gap:0}
.legend .scale span:first-child{margin-right:7px}
.legend .scale span:last-child{margin-left:7px}
.swatch{width:12px;height:12px;border-radius:3px;background:var(--is);display:inline-block}
.scale .swatch{width:9px;border-radius:0}
.key{width:18px;height:0;border-top:3px solid var(--is);border-radius:2px;display:inline-block}
.key.thin{border-top-width:1px}
.key.dashed{border-top-style:dashed;border-top-width:2px}
.key.dots{width:9px;height:9px;border:0;border-radius:9px;background:var(--is)}
details{margin-top:6px}
summary{cursor:pointer;color:var(--faint);font-size:12.5px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:12.5px;font-variant-numeric:tabular-nums;margin-top:6px}
th,td{padding:3px 10px;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}
th{font-weight:600;color:var(--soft)}
table.events{width:100%;background:var(--card);border:1px solid var(--rule)}
table.events td,table.events th{text-align:left;vertical-align:top}
table.events td:last-child{white-space:normal;overflow-wrap:anywhere}
pre{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:14px 16px;overflow-x:auto;
font:12px/1.5 ui-monospace,monospace;margin:8px 0}
pre mark{background:none;color:var(--accent);font-weight:600}
pre .from{color:var(--faint)}
footer{margin-top:40px;color:var(--faint);font-size:12.5px}
.choice{float:right;font-size:13px;color:var(--soft);margin-top:46px}
select{font:inherit;color:var(--ink);background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:2px 6px}
.readout{position:absolute;pointer-events:none;background:var(--card);color:var(--ink);border:1px solid var(--rule);
border-radius:8px;box-shadow:0 3px 14px #0003;padding:7px 11px;font-size:12.5px;line-height:1.45;z-index:2;
font-variant-numeric:tabular-nums;max-width:260px}
.readout div{display:flex;gap:7px;align-items:center}
.readout b{margin-left:auto;padding-left:14px}
line.hair{stroke:var(--faint)}
@media(max-width:860px){.tiles{grid-template-columns:repeat(2,minmax(0,1fr))}.charts{grid-template-columns:minmax(0,1fr)}}
@media(max-width:560px){main{padding:18px 12px 40px}figure{padding:12px 10px 8px}.spare{display:none}
.tiles{gap:8px}.tile{padding:10px 12px}.tile .value{font-size:21px}
.badge{margin-left:0}h1{font-size:22px}.choice{float:none;margin-top:30px}}
@media print{body{font-size:10.5pt;background:#fff}main{max-width:none;padding:0}.readout,.choice{display:none}
.charts{display:block}.charts>*{margin-bottom:10px}h2{break-after:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
)";

}  // namespace

std::string page_style() {
  std::string style = ":root{color-scheme:light dark;";
  style += kLight;
  style += light_colours();
  // Paper is white in any scheme.
  style += "}@media screen and (prefers-color-scheme:dark){:root{";
  style += kDark;
  style += dark_colours();
  style += "}}";
  style += colour_classes();
  style += kText;
  return style;
}

}  // namespace softmoe::training
