import Testing

/// Tests that run the program itself; one after the other, so that none has to share the cores.
@Suite("Scoring runs", .serialized)
struct ScoringRuns {}
