import Figures

/// The style sheet of `AttentionPage`.
enum AttentionPageStyle {
  static var sheet: String { Theme.variables + "\n" + layout }

  private static let layout = """
    *{box-sizing:border-box}
    html{-webkit-text-size-adjust:100%}
    body{margin:0 auto;max-width:82rem;padding:1.5rem 1.25rem 4rem;background:var(--paper);color:var(--ink);\
    font:16px/1.5 \(Theme.fonts)}
    a{color:var(--link);text-underline-offset:.15em}
    h1{margin:0 0 .75rem;font-size:clamp(1.25rem,1rem + 1.6vw,1.9rem);line-height:1.25;font-weight:650;\
    letter-spacing:-.01em;overflow-wrap:anywhere;max-width:60ch}
    h2{margin:1.4rem 0 .5rem;font-size:1rem;font-weight:650}
    p{margin:0 0 .6rem}
    .facts{display:flex;flex-wrap:wrap;gap:.15rem 1.4rem;margin:0 0 1.5rem;font-size:.88rem;color:var(--muted)}
    .facts dt{float:left}
    .facts dt::after{content:":\\00a0"}
    .facts{display:block}
    .facts dd{margin:0 0 .1rem;color:var(--ink);overflow-wrap:anywhere}
    .note,#value,#ticks,li{font-size:.9rem;color:var(--muted)}
    .viewer{display:grid;grid-template-columns:minmax(0,7fr) minmax(0,5fr);gap:0 2.25rem;align-items:start}
    .picture{position:sticky;top:.75rem;min-width:0}
    .controls{min-width:0}
    .controls h2:first-child{margin-top:0}
    #shown{margin-bottom:.4rem;font-weight:600;overflow-wrap:anywhere}
    #stage{position:relative;line-height:0;max-width:100%;cursor:crosshair;touch-action:pan-y;\
    width:min(100%,calc(74vh*var(--aspect,1)))}
    #photograph{width:100%;height:auto;display:block;filter:saturate(.35)}
    .grey #photograph{filter:grayscale(1)}
    #map{position:absolute;inset:0;width:100%;height:100%}
    #value{min-height:3em;margin:.5rem 0 .2rem;font-variant-numeric:tabular-nums}
    .scale{max-width:22rem}
    #colours{display:block;width:100%;height:.8rem}
    #ticks{display:flex;justify-content:space-between;margin:.15rem 0 0;font-variant-numeric:tabular-nums}
    button,select{font:inherit;color:inherit}
    select{max-width:100%;padding:.2rem .3rem;background:var(--paper);border:1px solid var(--muted);border-radius:4px}
    #words,#heads{display:flex;flex-wrap:wrap;gap:.3rem}
    #words button,#heads button{padding:.3rem .55rem;min-height:2.1rem;background:var(--shade);border:1px solid var(--line);\
    border-radius:5px;cursor:pointer;max-width:100%;overflow-wrap:anywhere;text-align:left}
    #words button:hover,#heads button:hover,.tiles button:hover{border-color:var(--muted)}
    [aria-pressed=true]{border-color:var(--link)!important;box-shadow:inset 0 0 0 1px var(--link);font-weight:650}
    #heads small{font-weight:400;color:var(--muted)}
    .option{display:block;margin:.45rem 0;font-size:.93rem}
    :focus-visible{outline:3px solid var(--link);outline-offset:2px}
    .tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(6.4rem,30%),1fr));gap:.45rem}
    #all .tiles{margin-bottom:.9rem}
    #all h3{margin:.2rem 0 .3rem;font-size:.85rem;font-weight:600;color:var(--muted)}
    .tiles button{display:block;padding:.25rem;background:none;border:1px solid transparent;border-radius:5px;\
    cursor:pointer;min-width:0;text-align:left;font-size:.82rem;line-height:1.35}
    .tiles canvas{display:block;width:100%;height:auto;background:var(--shade)}
    .tiles span{display:block;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
    .tiles small{color:var(--muted);font-weight:400}
    ul{padding-left:1.2rem}
    [hidden]{display:none!important}
    @media (max-width:52rem){
    body{padding:1rem .9rem 3rem}
    .viewer{display:block}
    .picture{position:static}
    #stage{width:100%}
    .controls h2:first-child{margin-top:1.4rem}
    }
    @media print{.controls,#files{display:none}.picture{position:static}.tiles{break-inside:auto}}
    """
}
