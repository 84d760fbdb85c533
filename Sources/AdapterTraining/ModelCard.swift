import Figures
import Foundation
import LowRankAdaptation
import RunSupport

/// An adapter's README.md, as the Hugging Face Hub shows it: what it is of, what it learned from, and how.
struct ModelCard {
  let configuration: TrainConfiguration
  let plan: AdapterPlan
  let base: BaseModelName
  let identity: RunIdentity
  let history: TrainingHistory
  let examples: (training: Int, validation: Int)
  let allParameters: Int
  let ranks: Int

  var text: String {
    let parts = [heading, facts("Training", training), losses, command, usage]
    return header + parts.filter { !$0.isEmpty }.joined(separator: "\n\n") + "\n"
  }

  private var lora: LoRAConfiguration { plan.lora }

  /// The Hub's metadata.
  private var header: String {
    """
    ---
    base_model: \(quoted(base.name))
    library_name: peft
    pipeline_tag: image-text-to-text
    tags:
    - lora
    - headimpact
    ---


    """
  }

  private var heading: String {
    let layers = lora.layers.map(String.init).joined(separator: ", ")
    let part = plan.heads.isEmpty ? "" : ", in these only the parts of chosen heads"
    return """
      # LoRA adapter of \(name)

      A low-rank adapter (PEFT) of \(NumberText.counted(lora.layers.count, "layer")) of the language model of `\(base.name)`: \
      \(layers)\(part). Trained with headimpact \(JobDefaults.programVersion).

      ![The loss of each step](loss.svg)
      """
  }

  /// The base's, without what stands before it.
  var name: String { base.name.split(separator: "/").last.map(String.init) ?? base.name }

  private var training: [(String, String)] {
    let c = configuration
    var rows = [
      ("Base model", base.name + (base.revision.map { ", revision \($0)" } ?? "")),
      ("Data", c.dataset.lastPathComponent),
      ("Examples", NumberText.counted(examples.training, "example")),
    ]
    if examples.validation > 0 {
      rows.append(
        (
          "Validation",
          (c.validation?.lastPathComponent ?? "a share of \(c.validationShare) of the images") + ", "
            + NumberText.counted(examples.validation, "example")
        ))
    }
    if !plan.heads.isEmpty {
      rows.append(("Heads", plan.heads.map { "\($0.layer).\($0.head)" }.joined(separator: ", ")))
    }
    let share = 100 * Double(plan.trained) / Double(max(1, allParameters))
    rows += [
      ("Modules", lora.targets.map(\.rawValue).joined(separator: ", ")),
      ("Rank, alpha, dropout", "\(lora.loraRank), \(lora.loraAlpha), \(lora.dropout)\(lora.kindText)"),
      ("Trained parameters", "\(NumberText.grouped(plan.trained)) (\(NumberText.plain(share))%)"),
      ("Steps", "\(history.steps.count) of batch \(c.batch), \(length)"),
      (
        "Learning rate", "\(c.learningRate), \(c.schedule.rawValue), \(NumberText.counted(c.warmup, "step")) of warm-up"
      ),
      ("Optimiser", "AdamW, weight decay \(c.weightDecay), gradient norm up to \(c.clip > 0 ? "\(c.clip)" : "any")"),
      ("Precision", "\(c.precision.rawValue); the adapter is float32"), ("Seed", "\(c.seed)"),
      ("Prompt", c.prompt), ("Ranks", "\(ranks)"),
    ]
    return rows
      + identity.parts.filter { $0.name.hasSuffix("(SHA-256)") && $0.value != "none" }.map { part in
        // A file's name stays as it is.
        (part.name.contains(".") ? part.name : part.name.prefix(1).uppercased() + part.name.dropFirst(), part.value)
      }
  }

  private var length: String {
    switch configuration.length {
    case .steps(let steps): steps == history.steps.count ? "as asked for" : "stopped early (\(steps) asked for)"
    case .epochs(let epochs):
      NumberText.counted(epochs, "epoch") + (configuration.patience == nil ? "" : " asked for")
    }
  }

  private var losses: String {
    var rows: [(String, String)] = []
    if let first = history.steps.first, let last = history.steps.last {
      rows += [("Training, step 1", number(first.loss)), ("Training, step \(last.step)", number(last.loss))]
    }
    for record in [history.validations.first, history.best, history.validations.last].compactMap({ $0 }) {
      let row = ("Validation, step \(record.step)", number(record.loss))
      if !rows.contains(where: { $0.0 == row.0 }) { rows.append(row) }
    }
    let kept =
      history.best.map { best in
        configuration.keeps == .best
          ? "\n\nThe adapter is that of step \(best.step), whose validation loss is the lowest; `last` holds that of the last step."
          : "\n\nThe adapter is that of the last step; `best` holds that of step \(best.step), whose validation loss is the lowest."
      } ?? ""
    return facts("Loss", rows, heading: ("Loss per supervised token", "nats")) + kept
  }

  private var command: String {
    guard !configuration.command.isEmpty else { return "" }
    return "## Command\n\n```\n\(configuration.command.map(shellWord).joined(separator: " "))\n```"
  }

  private var usage: String {
    """
    ## Use

    ```python
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(\(quoted(base.name)))
    model = PeftModel.from_pretrained(model, "PATH/OF/THIS/FOLDER")
    ```

    ```
    headimpact generate --model MODEL --adapter PATH/OF/THIS/FOLDER --dataset FILE --images DIR --output texts.json
    ```
    """
  }

  // MARK: Markdown

  private func facts(
    _ title: String, _ rows: [(String, String)], heading: (String, String) = ("", "")
  ) -> String {
    "## \(title)\n\n| \(heading.0) | \(heading.1) |\n|---|---|\n"
      + rows.map { "| \(cell($0.0)) | \(cell($0.1)) |" }.joined(separator: "\n")
  }

  private func cell(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("|", with: "\\|").replacing("<", with: "&lt;")
      .split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  private func number(_ value: Double) -> String { NumberText.plain(value) }

  /// As YAML and Python read it.
  private func quoted(_ text: String) -> String {
    "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n") + "\""
  }

  private func shellWord(_ word: String) -> String {
    let isPlain =
      !word.isEmpty
      && word.unicodeScalars.allSatisfy {
        $0.properties.isAlphabetic || "0123456789-_./,:=+@%".unicodeScalars.contains($0)
      }
    return isPlain ? word : "'" + word.replacing("'", with: "'\\''") + "'"
  }
}

extension LoRAConfiguration {
  /// What it is beside plain LoRA: ", rsLoRA, DoRA".
  var kindText: String { (dividesByRoot ? ", rsLoRA" : "") + (hasMagnitudes ? ", DoRA" : "") }
}
