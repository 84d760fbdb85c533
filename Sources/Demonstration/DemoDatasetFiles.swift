import Foundation
import IO

/// The JSON files of a demonstration dataset, as they grow scene by scene. Property names are the files' keys.
struct DemoDatasetFiles {
  struct Info: Encodable {
    let description: String
    let version = "1"
    let key_object_rules = ["key_object": "the largest object of the scene"]
  }

  struct Image: Encodable {
    let id: Int
    let file_name: String
    let width = Scene.side
    let height = Scene.side
  }

  struct Category: Encodable {
    let id: Int
    let name: String
    let supercategory = "shape"
  }

  struct RunLengths: Encodable {
    let size: [Int]
    let counts: [Int]
  }

  struct KeyObject: Encodable {
    let id: Int
    let image_id: Int
    let category_id: Int
    let iscrowd = 0
    let area: Int
    let bbox: [Int]
    let segmentation: RunLengths
    let description: String
  }

  struct Caption: Encodable {
    let id: Int
    let image_id: Int
    let caption: String
  }

  struct Question: Encodable {
    let question_id: Int
    let image_id: Int
    let question: String
  }

  struct Answer: Encodable {
    let answer_id: Int
    let answer: String
    let answer_confidence = "yes"
  }

  struct AnsweredQuestion: Encodable {
    let question_id: Int
    let image_id: Int
    let question_type: String
    let answer_type: String
    let multiple_choice_answer: String
    let answers: [Answer]
  }

  struct KeyObjectFile: Encodable {
    let info: Info
    let images: [Image]
    let categories: [Category]
    let annotations: [KeyObject]
  }

  struct CaptionFile: Encodable {
    let info: Info
    let images: [Image]
    let annotations: [Caption]
  }

  struct QuestionFile: Encodable {
    let info: Info
    let task_type = "Open-Ended"
    let data_type = "headimpact-demonstration"
    let data_subtype: String
    let questions: [Question]
  }

  struct AnswerFile: Encodable {
    let info: Info
    let data_type = "headimpact-demonstration"
    let data_subtype: String
    let annotations: [AnsweredQuestion]
  }

  let split: DemoDataset.Split
  let wording: SceneWording
  private var images: [Image] = []
  private var keyObjects: [KeyObject] = []
  private var captions: [Caption] = []
  private var questions: [Question] = []
  private var answered: [AnsweredQuestion] = []

  init(split: DemoDataset.Split, wording: SceneWording) {
    self.split = split
    self.wording = wording
  }

  /// Adds a scene under an image id, and returns the name of its image file.
  mutating func add(_ scene: Scene, _ picture: ScenePicture, id: Int) -> Image {
    let digits = String(id)
    let image = Image(id: id, file_name: String(repeating: "0", count: max(0, 12 - digits.count)) + digits + ".png")
    images.append(image)
    let mask = ColumnMajorMask(owners: picture.owners, owner: 1, side: Scene.side)
    let category = (SceneShape.allCases.firstIndex(of: scene.keyObject.shape) ?? 0) + 1
    keyObjects.append(
      KeyObject(
        id: id, image_id: id, category_id: category, area: mask.area, bbox: mask.box,
        segmentation: RunLengths(size: [Scene.side, Scene.side], counts: mask.counts),
        description: scene.description(wording)))
    captions.append(Caption(id: id, image_id: id, caption: scene.description(wording)))
    for (index, question) in scene.questions(wording).enumerated() {
      let questionID = id * 1000 + index
      questions.append(Question(question_id: questionID, image_id: id, question: question.question))
      answered.append(
        AnsweredQuestion(
          question_id: questionID, image_id: id,
          question_type: question.question.split(separator: " ").prefix(2).joined(separator: " ").lowercased(),
          answer_type: question.kind.rawValue, multiple_choice_answer: question.answer,
          answers: (1...10).map { Answer(answer_id: $0, answer: question.answer) }))
    }
    return image
  }

  func write(to folder: URL) throws {
    let first = split.firstSeed
    let info = Info(
      description:
        "headimpact demonstration, \(split.rawValue) split: \(images.count) scenes from seed \(first) on, \(wording.rawValue) wording"
    )
    let categories = SceneShape.allCases.enumerated().map { Category(id: $0 + 1, name: $1.rawValue) }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    func write(_ name: String, _ content: some Encodable) throws {
      try WholeFolder.write(encoder.encode(content), to: folder.appendingPathComponent(name))
    }
    try write(
      "keyobjects.json",
      KeyObjectFile(info: info, images: images, categories: categories, annotations: keyObjects))
    try write("captions.json", CaptionFile(info: info, images: images, annotations: captions))
    try write("questions.json", QuestionFile(info: info, data_subtype: split.rawValue, questions: questions))
    try write("annotations.json", AnswerFile(info: info, data_subtype: split.rawValue, annotations: answered))
  }
}

/// One owner's pixels as COCO's uncompressed run lengths: down the columns, zeros first.
struct ColumnMajorMask {
  let counts: [Int]
  /// In pixels.
  let area: Int
  /// x, y, width, height, in pixels.
  let box: [Int]

  init(owners: [UInt8], owner: UInt8, side: Int) {
    precondition(owners.count == side * side)
    var counts: [Int] = []
    var run = 0
    var isOwned = false
    var area = 0
    var columns = side..<side
    var rows = side..<side
    for x in 0..<side {
      for y in 0..<side {
        let owned = owners[y * side + x] == owner
        if owned {
          area += 1
          columns = min(columns.lowerBound, x)..<(x + 1)
          rows = min(rows.lowerBound, y)..<(rows.lowerBound == side ? y + 1 : max(rows.upperBound, y + 1))
        }
        if owned != isOwned {
          counts.append(run)
          run = 0
          isOwned = owned
        }
        run += 1
      }
    }
    counts.append(run)
    self.counts = counts
    self.area = area
    box = area == 0 ? [0, 0, 0, 0] : [columns.lowerBound, rows.lowerBound, columns.count, rows.count]
  }
}
