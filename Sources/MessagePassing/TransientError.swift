/// An error that is nobody's mistake and passes: a signal, a rank that no longer answers, a lost host. The same command
/// with `--resume` goes on, so the process ends with `TransientFailure.exitCode`, and a script can tell "go on" from
/// "broken".
public protocol TransientError: Error {}

/// How a run that may be continued ends.
public enum TransientFailure {
  /// EX_TEMPFAIL of sysexits.h: "try again".
  public static let exitCode: Int32 = 75

  /// The exit code of a process that ends with an error: 75 if it is transient, 1 otherwise.
  ///
  /// Ranks that agreed on failures of both kinds are broken.
  public static func exitCode(for error: any Error) -> Int32 {
    if let agreed = error as? AgreedFailure { return agreed.isTransient ? exitCode : 1 }
    return error is any TransientError ? exitCode : 1
  }
}
