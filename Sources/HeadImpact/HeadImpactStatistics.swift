/// How sure a run is of its heads.
public struct HeadImpactStatistics: Sendable, Equatable {
  /// Of `HeadImpactTable.hi`.
  public let intervals: BootstrapIntervals
  /// Of `CorrectedImpact.hi`, over the same resamples.
  public let correctedIntervals: BootstrapIntervals
  public let beyondChance: BeyondChance

  public init(intervals: BootstrapIntervals, correctedIntervals: BootstrapIntervals, beyondChance: BeyondChance) {
    self.intervals = intervals
    self.correctedIntervals = correctedIntervals
    self.beyondChance = beyondChance
  }
}
