import ArgumentParser
import Demonstration
import Foundation
import IO
import ImageInput
import RunSupport

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
  @OptionGroup var replacing: OverwriteOption
  @OptionGroup var printing: QuietOption

  func validate() throws { try Judged.count(scenes, "--scenes", atMost: DemoDataset.mostScenes) }

  func run() throws {
    let folder = made.url
    let (model, dataset) = (folder.appendingPathComponent("model"), folder.appendingPathComponent("dataset"))
    // Both or neither.
    for part in [model, dataset] {
      if let reason = try DemoFolder.refusal(part, overwrites: replacing.overwrite) {
        throw JobError("\(part.path): \(reason)")
      }
    }
    try DemoModel.write(to: model, overwrites: replacing.overwrite)
    try DemoDataset(split: split, count: scenes, wording: wording).write(to: dataset, overwrites: replacing.overwrite) {
      width, height, pixels in
      try encodePNG(RGBImage(width: width, height: height, pixels: pixels))
    }
    print(
      """
      model:   \(model.path)
      dataset: \(dataset.path) (\(counted(scenes, "scene")))
      """)
  }
}

extension DemoDataset.Split: ExpressibleByArgument {}
extension SceneWording: ExpressibleByArgument {}
