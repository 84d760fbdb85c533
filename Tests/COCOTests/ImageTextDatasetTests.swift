import Testing

@testable import COCO

@Suite("Examples of image and text")
struct ImageTextDatasetTests {
  private func dataset(
    _ json: String, annotations: String? = nil, images: [String] = ["COCO_val2014_000000000007.jpg", "x.txt", "9.png"]
  ) throws -> ImageTextDataset {
    try ImageTextDataset(
      json: Array(json.utf8), name: "data.json", annotations: annotations.map { (Array($0.utf8), "answers.json") }
    ) { images }
  }

  private static let images = #""images":[{"id":1,"file_name":"a.jpg","width":4,"height":3}]"#

  @Test("descriptions of key objects, ascending by id")
  func keyObjects() throws {
    let data = try dataset(
      "{\(Self.images),\"annotations\":[{\"id\":9,\"image_id\":1,\"description\":\"b\"},"
        + "{\"id\":2,\"image_id\":1,\"description\":\"a\"}]}")
    #expect(data.kind == .captions)
    #expect(data.examples.map(\.target) == ["a", "b"])
    #expect(data.examples[0].size == ImageTextExample.ImageSize(width: 4, height: 3))
    #expect(data.examples[0].prompt == nil)
  }

  @Test("COCO captions")
  func captions() throws {
    let data = try dataset("{\(Self.images),\"annotations\":[{\"id\":1,\"image_id\":1,\"caption\":\"a dog\"}]}")
    #expect(data.kind == .captions && data.examples.map(\.target) == ["a dog"])
  }

  @Test("questions with a list of answers: the most frequent, the first among equals")
  func answers() throws {
    let data = try dataset(
      "{\(Self.images),\"annotations\":[{\"id\":1,\"image_id\":1,\"question\":\"q?\",\"answers\":[\"x\",\"y\",\"y\",\"x\"]}]}"
    )
    #expect(data.kind == .questions)
    #expect(data.examples.map(\.target) == ["x"] && data.examples.map(\.prompt) == ["q?"])
  }

  private static let questions = #"""
    {"data_subtype":"val2014","questions":[{"image_id":9,"question":"b?","question_id":91},
    {"image_id":7,"question":"a?","question_id":70}]}
    """#

  @Test("VQA v2 with its annotations, the pictures found by number")
  func vqa() throws {
    let annotations = #"""
      {"annotations":[{"question_id":70,"multiple_choice_answer":"yes","answers":[{"answer":"no","answer_id":1}]},
      {"question_id":91,"answers":[{"answer":"two","answer_id":1}]},{"question_id":5,"multiple_choice_answer":"z"}]}
      """#
    let data = try dataset(Self.questions, annotations: annotations)
    #expect(data.kind == .questions)
    #expect(data.examples.map(\.id) == [70, 91])
    #expect(data.examples.map(\.target) == ["yes", "two"])
    #expect(data.examples.map(\.fileName) == ["COCO_val2014_000000000007.jpg", "9.png"])
    #expect(try dataset(Self.questions).examples.map(\.target) == [nil, nil])
  }

  @Test(
    "what is wrong is said with file and place",
    arguments: [
      (
        questions, #"{"annotations":[{"question_id":70,"multiple_choice_answer":"x"}]}"#,
        "question 91 has no annotation"
      ),
      (questions, #"{"annotations":[{"question_id":70}]}"#, "answers.json"),
      (questions, #"{"questions":[]}"#, "the key \"annotations\" is missing"),
      (#"{"questions":[{"question_id":1,"question":"x"}]}"#, nil, "questions[0]"),
      (#"{"questions":[{"question_id":1,"image_id":3,"question":"x"}]}"#, nil, "image 3 is not in the images folder"),
      (
        #"{"questions":[{"question_id":1,"image_id":9,"question":"x"},{"question_id":1,"image_id":9,"question":"x"}]}"#,
        nil, "the question_id 1 occurs twice"
      ),
      (#"{"annotations":[],"images":[]}"#, #"{"annotations":[]}"#, "go with a VQA v2 question file"),
      ("[]", nil, "data.json"), ("{\"questions\":", nil, "data.json"),
      (
        #"{"images":[{"id":1,"file_name":"a","width":1,"height":1}],"annotations":[{"id":1,"image_id":1,"question":"q"},{"id":2,"image_id":1}]}"#,
        nil, "annotations[1]"
      ),
    ] as [(String, String?, String)])
  func refusals(_ json: String, _ annotations: String?, _ words: String) {
    let error = #expect(throws: COCOError.self) { try dataset(json, annotations: annotations) }
    #expect(error?.description.contains(words) == true, "\(String(describing: error))")
  }

  @Test(
    "a question's picture may be of any format that is read", arguments: ["webp", "TIF", "tiff", "gif", "bmp", "jpeg"])
  func formats(ending: String) throws {
    let data = try dataset(Self.questions, images: ["COCO_val2014_000000000007.\(ending)", "9.png", "7.txt"])
    #expect(data.examples.map(\.fileName).contains("COCO_val2014_000000000007.\(ending)"))
  }

  @Test("two pictures of one number are named")
  func ambiguous() {
    let error = #expect(throws: COCOError.self) { try dataset(Self.questions, images: ["9.png", "009.jpg", "7.jpg"]) }
    #expect(error?.description.contains("009.jpg, 9.png") == true)
  }
}
