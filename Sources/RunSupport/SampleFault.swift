import IO

/// What is wrong with one sample of a dataset, or with its picture: jobs skip it.
public struct SampleFault: ContentFault, CustomStringConvertible, Equatable {
  public let description: String

  public init(_ description: String) { self.description = description }
}
