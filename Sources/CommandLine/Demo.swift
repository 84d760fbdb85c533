import ArgumentParser
import Demonstration
import Foundation
import IO
import ImageInput

struct Demo: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write the bundled demonstration model and a dataset of drawn scenes to a folder.",
    discussion: """
      OUTPUT/model is a small Qwen2-VL in the published layout; OUTPUT/dataset has images, keyobjects.json, captions.json \
      and VQA questions with annotations.
      """)

  @OptionGroup var made: OutputFolderOption
  @Option(help: ArgumentHelp("Number of scenes.", valueName: "n"))
  var scenes = 64
  @Option(help: "Which scenes: those for training adapters, or the held-out ones.")
  var split = DemoDataset.Split.test
  @Option(help: "The wording the model was trained on, or a shifted one for it to learn.")
  var wording = SceneWording.taught

  func run() throws {
    let folder = made.url
    try DemoModel.write(to: folder.appendingPathComponent("model"))
    try DemoDataset(split: split, count: scenes, wording: wording).write(to: folder.appendingPathComponent("dataset")) {
      width, height, pixels in
      try encodePNG(RGBImage(width: width, height: height, pixels: pixels))
    }
    print(
      """
      model:   \(folder.appendingPathComponent("model").path)
      dataset: \(folder.appendingPathComponent("dataset").path) (\(scenes) scenes)
      """)
  }
}

extension DemoDataset.Split: ExpressibleByArgument {}
extension SceneWording: ExpressibleByArgument {}
