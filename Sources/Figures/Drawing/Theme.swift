/// Colours, type and spacing of pages and figures: the one place that decides how things look.
public enum Theme {
  public struct Colours: Sendable {
    public let paper: String
    /// Background of code and table heads.
    public let shade: String
    public let ink: String
    public let muted: String
    public let line: String
    public let link: String
    /// Distinguishable for the colour-blind (after Okabe and Ito, darker or lighter for the paper). Lines differ in
    /// their dashes as well; the last is for what is drawn pale.
    public let series: [String]
  }

  public static let light = Colours(
    paper: "#ffffff", shade: "#f3f5f6", ink: "#1b1f23", muted: "#59636b", line: "#d9dee2", link: "#075a94",
    series: ["#0b64a0", "#c2500a", "#0a7f60", "#9a4a86", "#8a6500", "#4b5560"])
  public static let dark = Colours(
    paper: "#14181b", shade: "#1e2428", ink: "#e6e9eb", muted: "#a0abb3", line: "#343c42", link: "#7cbcec",
    series: ["#6cb4ea", "#f08f4b", "#4fc9a4", "#d993c5", "#d9b23c", "#a9b4bc"])

  /// The colours as variables of a page's style sheet: light, and dark where the reader's screen is.
  public static var variables: String {
    func root(_ colours: Colours) -> String {
      ":root{--paper:\(colours.paper);--shade:\(colours.shade);--ink:\(colours.ink);--muted:\(colours.muted);"
        + "--line:\(colours.line);--link:\(colours.link)}"
    }
    return root(light) + "\n@media screen and (prefers-color-scheme: dark){\n" + root(dark) + "\n}"
  }

  public static let dashes = ["", "7 4", "2 3", "9 3 2 3", "12 3", ""]
  public static let fonts = #"system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif"#

  /// - Units: pixels.
  public enum Size {
    public static let text = 13.0
    public static let tick = 12.0
    public static let line = 18.0
    /// The widest figure that fits the page's column on a desktop.
    public static let column = 860.0
    /// The same on a phone of 390 pixels.
    public static let phone = 350.0
    /// Half a desktop's column, for galleries.
    public static let half = 420.0
  }

  /// The rules of a figure's parts, for the page and for figures that stand alone.
  public static func figureRules(_ colours: Colours) -> String {
    let series = colours.series.enumerated().map { index, colour in
      ".fig .s\(index){stroke:\(colour);fill:none}.fig .f\(index),.fig text.t\(index){fill:\(colour)}"
    }.joined(separator: "\n")
    return """
      .fig text{fill:\(colours.ink);font-family:\(fonts);font-size:12px}
      .fig .title{font-size:15px;font-weight:600}
      .fig .label{font-size:13px}
      .fig .muted{fill:\(colours.muted)}
      .fig .strong{font-weight:600}
      .fig .label-name,.fig .halo{paint-order:stroke;stroke:\(colours.paper);stroke-width:3px;stroke-linejoin:round}
      .fig .paper{fill:\(colours.paper)}
      .fig .grid{stroke:\(colours.line);fill:none}
      .fig .axis{stroke:\(colours.muted);fill:none}
      .fig .none{fill:\(colours.line)}
      .fig .guide{stroke:\(colours.muted);stroke-dasharray:3 3;fill:none}
      .fig .on-dark{fill:#fff;font-weight:600}
      .fig .on-light{fill:#111;font-weight:600}
      .fig .mark-on-dark{fill:#fff}
      .fig .mark-on-light{fill:#111}
      .fig .ring-out{fill:none;stroke:#fff;stroke-width:3.5}
      .fig .ring-in{fill:none;stroke:#111;stroke-width:1.75}
      .fig .curve{stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
      .fig .thin{stroke-width:1.25}
      .fig .band{fill-opacity:.16;stroke:none}
      .fig .faint{opacity:.45}
      .fig .soft{opacity:.7}
      .fig .hit{fill:transparent;stroke:none}
      \(series)
      """
  }

  /// The style of a figure that stands alone: light, and dark where the reader's screen is; print is light.
  public static var standaloneStyle: String {
    figureRules(light) + "\n@media screen and (prefers-color-scheme: dark){\n" + figureRules(dark) + "\n}"
  }
}
