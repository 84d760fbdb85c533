/// Some rank failed at a step that all ranks took, and every rank knows it.
public struct AgreedFailure: Error, CustomStringConvertible {
  /// The message of each failing rank, in the order of ranks, and its host; nil where all ranks are on one.
  public let failures: [(rank: Int, host: String?, message: String)]
  /// Whether every one of them was a `TransientError`.
  public let isTransient: Bool
  /// What the user can do, behind the messages.
  private var hint: String?

  init(failures: [(rank: Int, host: String?, message: String)], isTransient: Bool) {
    (self.failures, self.isTransient) = (failures, isTransient)
  }

  /// The same failure, with a line for the user behind the messages.
  public func adding(_ hint: String) -> AgreedFailure {
    var failure = self
    failure.hint = hint
    return failure
  }

  /// Ranks with the same message are named together: "ranks 0, 1: no such file", "ranks 0-63 on node1: no such file".
  public var description: String {
    var messages: [String] = []
    var ranks: [String: [Int]] = [:]
    var hosts: [Int: String] = [:]
    for failure in failures {
      if ranks[failure.message] == nil { messages.append(failure.message) }
      ranks[failure.message, default: []].append(failure.rank)
      hosts[failure.rank] = failure.host
    }
    let lines = messages.map { message in
      let who = ranks[message] ?? []
      return "\(who.count == 1 ? "rank" : "ranks") \(Self.text(who, hosts)): \(message)"
    }
    return (lines + [hint].compactMap { $0 }).joined(separator: "\n")
  }

  /// Three and more that follow one another on a host are named by the first and the last.
  private static func text(_ ranks: [Int], _ hosts: [Int: String]) -> String {
    var groups: [[Int]] = []
    for rank in ranks {
      if let last = groups.last?.last, last + 1 == rank, hosts[last] == hosts[rank] {
        groups[groups.count - 1].append(rank)
      } else {
        groups.append([rank])
      }
    }
    return groups.flatMap { group in
      let host = hosts[group[0]].map { " on \($0)" } ?? ""
      return group.count < 3 ? group.map { "\($0)\(host)" } : ["\(group[0])-\(group[group.count - 1])\(host)"]
    }.joined(separator: ", ")
  }
}

extension Communicator {
  /// Runs `body` on every rank and continues only if it succeeded on all, so that a file missing on one node can't
  /// leave the others waiting in the next collective.
  ///
  /// - Throws: on every rank the same `AgreedFailure`; where this process runs alone, the error of `body` itself.
  public func agree<R>(_ body: () throws -> R) throws -> R {
    guard channels != nil, worldSize > 1 else { return try body() }
    let outcome = Result(catching: body)
    var message: [UInt8] = []
    // The leading byte distinguishes an error without a text from success, and a transient one from others.
    if case .failure(let error) = outcome {
      message =
        [TransientFailure.exitCode(for: error) == 1 ? 1 : 2] + Array((host ?? "").utf8) + [0] + Array("\(error)".utf8)
    }
    if try allreduce(UInt8(message.isEmpty ? 0 : 1), .max) == 0 { return try outcome.get() }
    let messages = try allgather(message)
    throw AgreedFailure(
      failures: messages.enumerated().filter { !$1.isEmpty }.map {
        let parts = $1.dropFirst().split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
        let texts = parts.map { String(decoding: $0, as: UTF8.self) }
        return (rank: $0, host: texts[0].isEmpty ? nil : texts[0], message: texts[1])
      }, isTransient: messages.allSatisfy { $0.first != 1 })
  }
}
