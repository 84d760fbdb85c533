import Foundation
import IO
import Reporting
import RunSupport

/// What lies in an adapter's folder for people: its card, and how the loss went as a picture, as numbers and for
/// TensorBoard.
enum AdapterCompanions {
  /// - Parameters:
  ///   - folder: being filled.
  ///   - end: when the last step ended. - Units: seconds since 1970.
  /// - Throws: `EnvironmentFault` naming the file.
  static func write(_ card: ModelCard, to folder: URL, end: Double) throws {
    let history = card.history
    let figure = LossFigure(
      of: card.name, training: history.steps.map { ($0.step, $0.loss) },
      validation: history.validations.map { ($0.step, $0.loss) })
    func write(_ bytes: some DataProtocol, _ name: String) throws {
      try WholeFolder.write(bytes, to: folder.appendingPathComponent(name))
    }
    try write(Data(card.text.utf8), "README.md")
    try write(Data(figure.svg.utf8), "loss.svg")
    try write(Data(figure.csv.utf8), "loss.csv")
    let events = events(history, end: end)
    try write(Data(events.bytes), "events.out.tfevents.\(Int(events.start)).headimpact")
  }

  /// The names are those of transformers' Trainer.
  static func events(_ history: TrainingHistory, end: Double) -> (bytes: [UInt8], start: Double) {
    let start = end - history.steps.reduce(0) { $0 + $1.seconds }
    var file = TensorBoardFile(time: start)
    var (time, times) = (start, [0: start])
    for record in history.steps {
      time += record.seconds
      times[record.step] = time
      for (tag, value) in [
        ("train/loss", record.loss), ("train/learning_rate", record.learningRate),
        ("train/grad_norm", record.gradientNorm),
      ] { file.add(tag, value, step: record.step, time: time) }
    }
    for record in history.validations {
      file.add("eval/loss", record.loss, step: record.step, time: times[record.step] ?? end)
    }
    return (file.bytes, start)
  }
}
