import ArgumentParser
import Experiment
import Foundation
import IO
import RunSupport

/// What was typed, before it is parsed: options from a file join it, and options of other programs get an answer.
enum TypedOptions {
  /// The words with those of `train --config FILE` behind the verb, where the command line doesn't have the option itself.
  ///
  /// - Throws: `ExperimentError` about the file.
  static func expanded(_ words: [String]) throws -> [String] {
    guard words.first == "train", let file = value(of: "config", in: words) else { return words }
    let given = names(in: words)
    let excluded = exclusive.filter { !$0.isDisjoint(with: given) }.reduce(into: given) { $0.formUnion($1) }
    let more = try OptionsFile(contentsOf: fileURL(file))
      .words(of: options(of: Train.self).filter { $0.key != "config" }, without: excluded)
    return ["train"] + more + words.dropFirst()
  }

  /// Of each set, a command takes one: one on the command line takes the place of another in a file.
  private static let exclusive: [Set<String>] = [
    ["epochs", "steps"], ["layers", "selection"], ["validation", "validation-share"],
  ]

  /// The command that the first words name: a verb, or one of a verb's.
  static func command(_ words: [String], of root: any ParsableCommand.Type) -> (
    type: any ParsableCommand.Type, name: String
  )? {
    guard let verb = root.configuration.subcommands.first(where: { $0._commandName == words.first }) else { return nil }
    let second = verb.configuration.subcommands.first { $0._commandName == words.dropFirst().first }
    guard let second else { return (verb, verb._commandName) }
    return (second, "\(verb._commandName) \(second._commandName)")
  }

  /// Names an option that the command doesn't have, whatever else is missing.
  ///
  /// - Throws: `ValidationError` for the first of them.
  static func requireKnown(_ words: [String], of command: any ParsableCommand.Type) throws {
    let own = options(of: command)
    for (name, _) in values(in: words, of: command) {
      let positive = name.hasPrefix("no-") ? String(name.dropFirst(3)) : name
      guard own[name] == nil, own[positive] == nil, !["help", "version", "help-hidden"].contains(name) else { continue }
      let near = NearNames.of(name, in: own.keys).map { "--\($0)" }
      let hint = near.isEmpty ? "" : " Did you mean \(near.joined(separator: " or "))?"
      throw ValidationError("There is no option --\(name).\(hint)")
    }
  }

  /// The words, where a negative number behind an option is joined to it: it is a value to judge, not an option.
  static func withNegatives(_ words: [String], of command: any ParsableCommand.Type) -> [String] {
    let own = options(of: command)
    var joined: [String] = []
    for (place, word) in words.enumerated() {
      let isValue = word.hasPrefix("-") && Double(word) != nil && place > 0 && place < typed(words).count
      if isValue, let last = joined.last, last.hasPrefix("--"), own[String(last.dropFirst(2))] == true {
        joined[joined.count - 1] = last + "=" + word
      } else {
        joined.append(word)
      }
    }
    return joined
  }

  /// A command's options by name, and whether they take a value: as its help lists them.
  static func options(of command: any ParsableCommand.Type) -> [String: Bool] {
    valueNames(of: command).mapValues { $0 != nil }
  }

  /// A command's options by name, and what its help calls their values; nil for flags.
  static func valueNames(of command: any ParsableCommand.Type) -> [String: String?] {
    let lines = command.helpMessage(columns: 200).matches(of: /(?m)^  (?:-\w+, )?--([a-z][a-z-]*)(?: <([^>]*)>)?/)
    return Dictionary(lines.map { (String($0.1), $0.2.map(String.init)) }) { first, _ in first }
  }

  /// The options that were typed, with their values; nil for those that have none.
  static func values(in words: [String], of command: any ParsableCommand.Type) -> [(name: String, value: String?)] {
    let own = options(of: command)
    var found: [(name: String, value: String?)] = []
    var isValue = false
    for word in typed(words) {
      if isValue {
        found[found.count - 1].value = word
        isValue = false
      } else if word.hasPrefix("--") {
        let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        found.append((String(parts[0]), parts.count > 1 ? String(parts[1]) : nil))
        isValue = parts.count == 1 && own[String(parts[0])] == true
      }
    }
    return found
  }

  /// Up to `--`, behind which there are no options.
  private static func typed(_ words: [String]) -> ArraySlice<String> {
    words.prefix { $0 != "--" }
  }

  private static func names(in words: [String]) -> Set<String> {
    Set(typed(words).filter { $0.hasPrefix("--") }.map { String($0.dropFirst(2).prefix { $0 != "=" }) })
  }

  private static func value(of name: String, in words: [String]) -> String? {
    let typed = typed(words)
    for (place, word) in typed.enumerated() {
      if word.hasPrefix("--\(name)=") { return String(word.dropFirst(name.count + 3)) }
      if word == "--\(name)", place + 1 < typed.count { return typed[place + 1] }
    }
    return nil
  }

  // MARK: Lists

  /// The parts of a comma list.
  static func parts(_ list: String) -> [String] {
    list.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
  }

  // MARK: Options of other programs

  /// What other programs (transformers, PEFT, LLaMA-Factory, vLLM) call an option, and what it is called here.
  private static let others: [String: String] = [
    "batch-size": "batch", "train-batch-size": "batch", "per-device-train-batch-size": "batch",
    "global-batch-size": "batch",
    "gradient-accumulation-steps": "batch", "learning-rate": "lr", "dtype": "precision", "torch-dtype": "precision",
    "bf16": "precision", "fp16": "precision", "mixed-precision": "precision", "num-train-epochs": "epochs",
    "num-epochs": "epochs", "max-steps": "steps", "lora-r": "lora-rank", "rank": "lora-rank", "alpha": "lora-alpha",
    "lora-dropout": "dropout", "target-modules": "targets", "lora-target": "targets", "lr-scheduler-type": "schedule",
    "lr-scheduler": "schedule", "warmup-steps": "warmup", "max-grad-norm": "clip", "output-dir": "output",
    "model-name-or-path": "model", "model-name": "model", "base-model": "model", "model-path": "model",
    "data-path": "dataset", "dataset-path": "dataset", "train-file": "dataset", "image-folder": "images",
    "image-dir": "images", "images-dir": "images", "eval-steps": "validate-every", "eval-file": "validation",
    "validation-file": "validation", "save-steps": "checkpoint-every", "resume-from-checkpoint": "resume",
    "use-dora": "dora", "use-rslora": "rslora", "early-stopping-patience": "patience", "peft-model": "adapter",
    "lora-path": "adapter", "adapter-path": "adapter", "adapter-name-or-path": "adapter",
    "max-tokens": "max-new-tokens",
    "num-beams": "beams", "num-threads": "threads", "verbose": "log-format", "template": "chat-template",
    "system-prompt": "system",
  ]

  /// Names the option of ours that another program's option may mean.
  ///
  /// - Throws: `ValidationError` for the first of them.
  static func answerOthers(_ words: [String], of command: any ParsableCommand.Type) throws {
    let own = options(of: command)
    for (typed, _) in values(in: words, of: command) {
      let name = typed.lowercased().replacing("_", with: "-")
      guard own[typed] == nil else { continue }
      // With underscores, ours too.
      let meant = own[name] != nil ? name : others[name].flatMap { own[$0] != nil ? $0 : nil }
      guard let meant else { continue }
      throw ValidationError("There is no option --\(typed); it is called --\(meant) here\(Self.notes[name] ?? "").")
    }
  }

  /// Where ours isn't quite the same.
  private static let notes: [String: String] = [
    "per-device-train-batch-size": ", and counts the examples of a step over all ranks",
    "batch-size": ", and counts the examples of a step over all ranks",
    "gradient-accumulation-steps": ", and counts the examples of a step over all ranks and passes (--micro-batch)",
    "dtype": " (f32 or bf16)", "torch-dtype": " (f32 or bf16)", "bf16": " bf16", "fp16": " (f32 or bf16)",
  ]
}

/// The values of an option that may be repeated, or given a comma list, or both.
struct CommaList<Element: ExpressibleByArgument>: ExpressibleByArgument {
  let elements: [Element]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    elements = parts.compactMap { Element(argument: $0.trimmingCharacters(in: .whitespaces)) }
    guard elements.count == parts.count else { return nil }
  }
}
