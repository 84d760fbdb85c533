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
    #expect(data.examples[0].size == ImageSize(width: 4, height: 3))
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
    "errors name file and place",
    arguments: [
      (questions, #"{"annotations":[{"question_id":70}]}"#, "answers.json"),
      (
        questions, #"{"annotations":[{"question_id":4,"multiple_choice_answer":"x"}]}"#, "no annotation of any question"
      ),
      (questions, #"{"questions":[]}"#, "the key \"annotations\" is missing"),
      (#"{"questions":[{"question_id":1,"image_id":3,"question":"x"}]}"#, nil, "image 3 is not in the images folder"),
      (#"{"annotations":[],"images":[]}"#, #"{"annotations":[]}"#, "go with a VQA v2 question file"),
      ("[]", nil, "data.json"), ("{\"questions\":", nil, "data.json"),
    ] as [(String, String?, String)])
  func refusals(_ json: String, _ annotations: String?, _ words: String) {
    let error = #expect(throws: COCOError.self) { try dataset(json, annotations: annotations) }
    #expect(error?.description.contains(words) == true, "\(String(describing: error))")
  }

  @Test("a question of which two pictures may be meant is left out")
  func ambiguous() throws {
    let data = try dataset(Self.questions, images: ["9.png", "009.jpg", "7.jpg"])
    #expect(data.examples.map(\.id) == [70])
    #expect(data.problems.lost.map(\.id) == [91])
    #expect(data.problems.lost[0].problem.contains("009.jpg, 9.png"))
  }

  @Test("questions without an annotation are not examples, and are counted")
  func subset() throws {
    let data = try dataset(
      Self.questions, annotations: #"{"annotations":[{"question_id":70,"multiple_choice_answer":"x"}]}"#)
    #expect(data.examples.map(\.id) == [70])
    #expect(data.unannotated == 1 && data.problems.isEmpty)
    #expect(data.warnings.count == 1)
  }

  @Test("a malformed question costs only itself")
  func oddQuestions() throws {
    let data = try dataset(
      #"""
      {"questions":[{"question_id":1,"image_id":9,"question":"a"},{"question_id":2,"image_id":9,"question":null},
      {"question_id":3,"image_id":3,"question":"x"},{"question_id":4,"image_id":9,"question":"x"},7,
      {"question_id":4,"image_id":9,"question":"y"},{"question_id":"5","image_id":"000000000009","question":"b"},
      {"question_id":"q","image_id":9,"question":"b"},{"question_id":6,"question":"b"}]}
      """#)
    #expect(data.examples.map(\.id) == [1, 5])
    #expect(data.examples.map(\.imageID) == [9, 9])
    #expect(data.problems.lost.map(\.id) == [2, 3, 4, nil, 4, nil, 6])
    #expect(data.problems.refusal?.contains("questions[7].question_id): \"q\"") == true)
  }

  @Test("an image whose id is a word is the picture of that name")
  func wordsForImages() throws {
    let json = #"""
      {"questions":[{"question_id":1,"image_id":"0054c91397f2fe05","question":"a"},
      {"question_id":2,"image_id":"ff54","question":"b"},{"question_id":3,"image_id":"0054c91397f2fe05","question":"c"}]}
      """#
    let data = try dataset(json, images: ["0054c91397f2fe05.jpg", "ff54.png", "5.jpg"])
    #expect(data.examples.map(\.fileName) == ["0054c91397f2fe05.jpg", "ff54.png", "0054c91397f2fe05.jpg"])
    let ids = data.examples.map(\.imageID)
    #expect(ids[0] == ids[2] && ids[0] != ids[1] && ids.allSatisfy { $0 < 0 })
  }

  @Test("among questions an annotation without one is left out, as is a question among captions")
  func mixed() throws {
    func made(_ annotations: String) throws -> ImageTextDataset {
      try dataset("{\(Self.images),\"annotations\":[\(annotations)]}")
    }
    let question = #"{"id":1,"image_id":1,"question":"q?","answers":["x"]}"#
    let other = #"{"id":3,"image_id":1,"question":"r?","answers":["x"]}"#
    let asked = try made(question + "," + other + #",{"id":2,"image_id":1}"#)
    #expect(asked.kind == .questions && asked.examples.map(\.id) == [1, 3])
    #expect(asked.problems.lost.map(\.place) == ["annotations[2]"])
    let said = try made(
      question + #",{"id":2,"image_id":1,"caption":"a"},{"id":4,"image_id":1,"caption":"b"}"#)
    #expect(said.kind == .captions && said.examples.map(\.id) == [2, 4])
    #expect(said.problems.lost.map(\.id) == [1])
  }

  @Test("captions need no size of their images")
  func withoutSize() throws {
    for size in ["", #","width":null,"height":null"#, #","width":0,"height":0"#, #","width":"x""#] {
      let data = try dataset(
        #"{"images":[{"id":1,"file_name":"a.jpg"\#(size)}],"annotations":[{"id":1,"image_id":1,"caption":"a"}]}"#)
      #expect(data.examples.map(\.size) == [nil] && data.problems.lostSamples == 0)
    }
  }

  @Test(
    "a question's picture may be of any format that is read", arguments: ["webp", "TIF", "tiff", "gif", "bmp", "jpeg"])
  func formats(ending: String) throws {
    let data = try dataset(Self.questions, images: ["COCO_val2014_000000000007.\(ending)", "9.png", "7.txt"])
    #expect(data.examples.map(\.fileName).contains("COCO_val2014_000000000007.\(ending)"))
  }
}
