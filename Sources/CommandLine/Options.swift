import ArgumentParser
import Foundation
import HeadImpact
import ImageInput
import Kernels

extension Precision: ExpressibleByArgument {}
extension Measure: ExpressibleByArgument {}
extension Selection.Strategy: ExpressibleByArgument {}
extension Selection.Head: ExpressibleByArgument {}
extension HeadImpactOptions.Query: ExpressibleByArgument {}
extension HeadImpactOptions.Normalize: ExpressibleByArgument {}
extension HeadImpactOptions.Views: ExpressibleByArgument {}
extension Resizing: ExpressibleByArgument {}

/// How a result is printed.
enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
  case table
  case json
}
