import IO

/// An error of one sample of a dataset, or of its picture: jobs skip it.
public struct SampleFault: ContentFault, CustomStringConvertible, Equatable {
  public let description: String

  public init(_ description: String) { self.description = description }
}
