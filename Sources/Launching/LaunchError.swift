/// What keeps a job from being started: the arguments, the list of hosts, or `mpirun` itself.
public struct LaunchError: Error, CustomStringConvertible, Equatable, Sendable {
  public let description: String

  public init(_ description: String) { self.description = description }
}
