/// What the numbers of a metric count, by the metric's name.
public enum MetricUnit {
  /// Shares of captions or answers that are right are in percent, as VQA's accuracy is everywhere; the other metrics are plain
  /// numbers.
  public static func isPercent(_ metric: String) -> Bool { ["accuracy", "exact_match"].contains(metric) }

  /// The metric with its unit, for a table: "accuracy %".
  public static func title(_ metric: String) -> String { isPercent(metric) ? "\(metric) %" : metric }
}
