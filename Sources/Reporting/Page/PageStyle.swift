import Figures

/// The page's style sheet.
enum PageStyle {
  static var sheet: String {
    """
    \(colours(Theme.light))
    \(Theme.figureRules(Theme.light))
    @media screen and (prefers-color-scheme: dark){
    \(colours(Theme.dark))
    \(Theme.figureRules(Theme.dark))
    }
    \(layout)
    """
  }

  private static func colours(_ colours: Theme.Colours) -> String {
    """
    :root{--paper:\(colours.paper);--shade:\(colours.shade);--ink:\(colours.ink);--muted:\(colours.muted);\
    --line:\(colours.line);--link:\(colours.link)}
    """
  }

  private static let layout = """
    *{box-sizing:border-box}
    html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
    body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 \(Theme.fonts)}
    a{color:var(--link);text-underline-offset:.15em}
    a:focus-visible,button:focus-visible,.scroll:focus-visible{outline:2px solid var(--link);outline-offset:2px}
    .skip{position:absolute;left:-999px}
    .skip:focus{left:1rem;top:1rem;background:var(--paper);padding:.4rem .8rem;z-index:3}
    header,footer,.columns{max-width:72rem;margin:0 auto;padding:0 1.25rem}
    header{padding-top:3rem;padding-bottom:1.25rem}
    .kind{margin:0;color:var(--muted);font-size:.9rem;letter-spacing:.01em}
    h1{margin:.2rem 0 1rem;font-size:clamp(1.6rem,1.2rem + 2vw,2.3rem);line-height:1.18;font-weight:650;\
    letter-spacing:-.015em;overflow-wrap:anywhere}
    h2{margin:0 0 .75rem;font-size:1.4rem;line-height:1.25;font-weight:650;letter-spacing:-.01em}
    h3{margin:0 0 .6rem;font-size:1rem;font-weight:600}
    p{margin:0 0 .8rem;max-width:68ch;overflow-wrap:break-word}
    .summary{font-size:1.06rem}
    nav{padding:.9rem 0 1.2rem;border-top:1px solid var(--line);border-bottom:1px solid var(--line)}
    nav h2{font-size:.9rem;font-weight:600;color:var(--muted);margin-bottom:.35rem;letter-spacing:0}
    nav ol{margin:0;padding:0;list-style:none;columns:2;column-gap:1.5rem;font-size:.93rem}
    nav li{padding:.18rem 0;break-inside:avoid}
    nav a{text-decoration:none}
    nav a:hover{text-decoration:underline}
    section{padding:2.4rem 0 .6rem;border-bottom:1px solid var(--line)}
    section:last-child{border-bottom:0}
    main,section,figure,.gallery>*{min-width:0}
    figure{margin:1.4rem 0 2rem}
    figcaption{margin-top:.7rem;color:var(--muted);font-size:.9rem;line-height:1.5}
    figcaption p{margin-bottom:.2rem}
    .table figcaption{margin:0 0 .5rem}
    .files a{margin-right:.9rem}
    .scroll{overflow-x:auto;overscroll-behavior-x:contain;background:\
    linear-gradient(to right,var(--paper) 40%,transparent) 0 0/2.5rem 100% local,\
    linear-gradient(to left,var(--paper) 40%,transparent) 100% 0/2.5rem 100% local,\
    linear-gradient(to right,var(--line),transparent) 0 0/.8rem 100% scroll,\
    linear-gradient(to left,var(--line),transparent) 100% 0/.8rem 100% scroll;background-repeat:no-repeat}
    svg.fig{display:block;max-width:100%;height:auto}
    svg.narrow{display:none}
    .gallery{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(24rem,100%),1fr));gap:0 2.5rem}
    .gallery figure{margin:1rem 0 1.4rem}
    table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;line-height:1.4}
    th{padding:0;text-align:left;font-weight:600;border-bottom:1px solid var(--muted);vertical-align:bottom}
    th button{all:unset;display:block;box-sizing:border-box;width:100%;padding:.4rem .6rem;cursor:pointer}
    th button:focus-visible{outline:2px solid var(--link);outline-offset:-2px}
    th button::after{content:"↕";margin-left:.35em;color:var(--muted);opacity:.45}
    th[aria-sort=ascending] button::after{content:"↑";opacity:1}
    th[aria-sort=descending] button::after{content:"↓";opacity:1}
    td{padding:.32rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
    td.text{max-width:44ch;overflow-wrap:anywhere}
    td.short{white-space:nowrap}
    th.number button{text-align:right}
    td.number{text-align:right;white-space:nowrap}
    tbody tr:hover{background:var(--shade)}
    pre{margin:0;padding:.9rem 1rem;background:var(--shade);font-size:.82rem;line-height:1.5;min-width:max-content}
    .pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(17rem,100%),1fr));gap:1.4rem 1.6rem;\
    list-style:none;margin:0;padding:0}
    .pictures.wide{grid-template-columns:repeat(auto-fill,minmax(min(25rem,100%),1fr))}
    .pictures p{margin:.15rem 0 0;font-size:.88rem;color:var(--muted)}
    .pictures p:first-of-type{color:var(--ink);margin-top:.45rem}
    .pair{display:flex;gap:.4rem}
    .pair img{flex:1 1 0;min-width:0;max-width:100%;height:auto;display:block}
    .pair a{flex:1 1 0;min-width:0;display:block;cursor:zoom-in}
    .pair>:only-child{flex:0 1 auto}
    #note{position:fixed;z-index:4;max-width:20rem;padding:.35rem .6rem;background:var(--ink);color:var(--paper);\
    font-size:.84rem;line-height:1.4;pointer-events:none;border-radius:3px}
    footer{padding-top:1.2rem;padding-bottom:3rem;color:var(--muted);font-size:.88rem}
    @media screen and (min-width:68rem){
    .columns{display:grid;grid-template-columns:11.5rem minmax(0,1fr);gap:3rem}
    nav{position:sticky;top:0;align-self:start;max-height:100vh;overflow-y:auto;border:0;padding-top:2.5rem}
    nav ol{columns:1}
    section{padding-top:2.4rem}
    }
    @media screen and (max-width:44rem){
    svg.wide{display:none}
    svg.narrow{display:block}
    header,footer,.columns{padding:0 1.2rem}
    header{padding-top:2rem}
    .extra{display:none}
    table{font-size:.84rem}
    td,th button{padding:.3rem .25rem}
    th[aria-sort=none] button::after{content:none}
    th.text{min-width:0!important}
    th{font-size:.8rem;line-height:1.25}
    pre{white-space:pre-wrap;overflow-wrap:anywhere;min-width:0;padding:.7rem .8rem}
    .gallery{gap:0}
    }
    @media (prefers-reduced-motion: reduce){html{scroll-behavior:auto}}
    @media print{
    nav,.skip,.files,th button::after{display:none}
    body{font-size:10.5pt}
    header{padding-top:0}
    figure,tr{break-inside:avoid}
    h2,h3{break-after:avoid}
    .scroll{overflow:visible;background:none}
    table{font-size:8pt}
    td,th button{padding:.15rem .35rem}
    a{color:inherit;text-decoration:none}
    }
    """
}
