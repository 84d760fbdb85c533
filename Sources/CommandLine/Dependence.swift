import ArgumentParser

/// Options that count only together with another: given without it, they would be ignored silently.
struct Dependence {
  /// Their names, without dashes.
  let options: [String]
  /// Whether they count.
  let isMet: Bool
  /// What they count with, for the error: "--strategy random".
  let needs: String

  init(_ options: String..., need needs: String, if isMet: Bool) {
    (self.options, self.isMet, self.needs) = (options, isMet, needs)
  }

  /// Of every command that keeps a journal.
  static func salvage(resumes: Bool) -> Dependence { Dependence("salvage", need: "--resume", if: resumes) }

  /// Of every command that can take the best heads of a scoring run.
  static func ranking(_ more: String..., of hi: String?) -> [Dependence] {
    (["measure", "corrected"] + more).map { Dependence($0, need: "--hi", if: hi != nil) }
  }
}

/// A command that has such options.
protocol DependentOptions {
  var dependences: [Dependence] { get }
}

extension TypedOptions {
  /// Refuses an option that was given and would be ignored.
  ///
  /// - Throws: `ValidationError` for the first of them.
  static func requireCounted(_ words: [String], by command: any ParsableCommand) throws {
    guard let command = command as? any ParsableCommand & DependentOptions else { return }
    let given = Set(values(in: words, of: type(of: command)).map(\.name))
    for dependence in command.dependences where !dependence.isMet {
      guard let option = dependence.options.first(where: given.contains) else { continue }
      throw ValidationError("--\(option) counts only with \(dependence.needs).")
    }
  }

  /// Refuses an empty path: it would be that of the working folder.
  ///
  /// - Throws: `ValidationError` for the first of them.
  static func requirePaths(_ words: [String], of command: any ParsableCommand.Type) throws {
    let names = valueNames(of: command)
    for (name, value) in values(in: words, of: command) where value?.isEmpty == true {
      guard let kind = names[name], ["dir", "file", "path", "program"].contains(kind) else { continue }
      throw ValidationError("--\(name) is empty; it takes the path of a \(kind == "dir" ? "folder" : "file").")
    }
  }
}
