import Foundation
import IO
import JSON

/// A model folder's tokenizer files, combined as transformers 5.23's AutoTokenizer does.
///
/// With a class that has stages of its own (`TokenizerClass`) the files give vocabulary, merges, added tokens and what is
/// put around a text; else tokenizer.json is used as a whole.
struct TokenizerFolder {
  let normalizer: Normalizer
  let preTokenizer: PreTokenizer
  let model: BytePairModel
  let addedTokens: AddedTokenList
  let postProcessor: PostProcessor
  let decoder: TokenDecoder
  let remarks: [String]
  /// The file that errors about texts name.
  let file: String

  /// - Throws: `TokenizationError` naming file and key.
  init(_ folder: URL) throws {
    let config = try Self.read("tokenizer_config.json", in: folder) ?? Self.empty(folder, "tokenizer_config.json")
    let tokenizer = try Self.read("tokenizer.json", in: folder)
    let kind = try TokenizerClass(
      config, model: Self.read("config.json", in: folder), usesByteLevel: tokenizer?.usesByteLevel ?? false)
    try Self.refuse(config)
    file = folder.appendingPathComponent(tokenizer == nil ? "vocab.json" : "tokenizer.json").path
    let stages = try kind.stages(config)
    let legacy = try !config.has("added_tokens_decoder")
    let special = try SpecialTokens(
      config: config, map: legacy ? Self.read("special_tokens_map.json", in: folder) : nil,
      addedTokens: legacy ? Self.read("added_tokens.json", in: folder) : nil, tokenizer: tokenizer,
      defaults: stages?.specialTokens ?? [:])
    if tokenizer == nil, kind != .qwen2 {
      throw TokenizationError(
        file: folder.appendingPathComponent("tokenizer.json").path,
        problem: "there is no such file, and the tokenizer's class requires it; \(VocabularyFiles.advice)")
    }
    let source = try tokenizer?.required("model") ?? VocabularyFiles.read(folder)
    if let stages {
      (normalizer, preTokenizer, decoder) = (stages.normalizer, stages.preTokenizer, stages.decoder)
      model = try BytePairModel(source, options: stages.options(special))
      remarks = try tokenizer.map { try stages.remarks($0) } ?? []
    } else {
      if let tokenizer { try GPT2Stages.check(tokenizer, config: config) }
      normalizer = try Normalizer(try tokenizer?.optional("normalizer"))
      preTokenizer = try PreTokenizer(try tokenizer?.optional("pre_tokenizer"))
      decoder = try TokenDecoder(try tokenizer?.optional("decoder"))
      model = try BytePairModel(source)
      remarks = []
    }
    var list = AddedTokenList(model)
    if stages == nil, let tokenizer { try list.addAll(of: tokenizer, model) }
    try list.add(special, reAddsNamed: kind == .qwen2)
    addedTokens = list
    postProcessor =
      try tokenizer.map { try PostProcessor($0.optional("post_processor")) } ?? Self.framing(config, special)
  }

  /// A tokenizer.json alone.
  init(file url: URL) throws {
    let root = try JSONNode.read(url)
    file = root.file
    normalizer = try Normalizer(try root.optional("normalizer"))
    preTokenizer = try PreTokenizer(try root.optional("pre_tokenizer"))
    model = try BytePairModel(try root.required("model"))
    var list = AddedTokenList(model)
    try list.addAll(of: root, model)
    addedTokens = list
    postProcessor = try PostProcessor(try root.optional("post_processor"))
    decoder = try TokenDecoder(try root.optional("decoder"))
    remarks = []
  }

  // MARK: - tokenizer_config.json

  /// Refuses what would change ids or texts and isn't done.
  private static func refuse(_ config: JSONNode) throws {
    if try config.bool("split_special_tokens", default: false) {
      throw config.child(.null, "split_special_tokens").fault(
        "is true: special tokens in a text would be cut up, the image's too; false was expected")
    }
    let cleaning = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"
    if try config.bool(cleaning, default: false), try config.bool("clean_up_tokenization_spaces", default: false) {
      throw config.child(.null, cleaning).fault("is true, which changes texts and is not supported; false was expected")
    }
    if let files = try config.optional("fast_tokenizer_files"),
      try files.elements().contains(where: { try $0.string().text != "tokenizer.json" })
    {
      throw files.fault("names tokenizer files for other versions of transformers; only tokenizer.json is read")
    }
  }

  /// `add_bos_token` and `add_eos_token`, which transformers uses only if there is no tokenizer.json.
  private static func framing(_ config: JSONNode, _ special: SpecialTokens) throws -> PostProcessor {
    func tokens(_ name: String) throws -> [PostProcessor.Surrounding] {
      guard try config.bool("add_\(name)", default: false),
        let token = special.named.first(where: { $0.name == name })?.token
      else { return [] }
      return [PostProcessor.Surrounding(text: token.value.content.text, node: token.node)]
    }
    return PostProcessor(leading: try tokens("bos_token"), trailing: try tokens("eos_token"))
  }

  // MARK: - Files

  private static func read(_ name: String, in folder: URL) throws -> JSONNode? {
    let url = folder.appendingPathComponent(name)
    return ModelFile.isThere(url) ? try JSONNode.read(url) : nil
  }

  private static func empty(_ folder: URL, _ name: String) -> JSONNode {
    JSONNode(value: .object([]), key: "", file: folder.appendingPathComponent(name).path)
  }
}

extension AddedTokenList {
  /// The `added_tokens` of a tokenizer.json.
  mutating func addAll(of tokenizer: JSONNode, _ model: BytePairModel) throws {
    var ids: Set<Int32> = []
    for node in try tokenizer.optional("added_tokens")?.elements() ?? [] {
      let (id, token) = (try node.required("id").tokenID(), try AddedToken(node))
      if let known = model.id(of: token.content), known != id {
        throw node.fault("the token \(token.content.quoted) has the id \(known) in the vocabulary, not \(id)")
      }
      if let other = model.token(of: id), other != token.content {
        throw node.fault("the id \(id) is that of the token \(other.quoted) in the vocabulary")
      }
      guard ids.insert(id).inserted else { throw node.fault("the id \(id) is given to two added tokens") }
      guard !contains(token.content) else { throw node.fault("the token \(token.content.quoted) occurs twice") }
      try add(token, id: id, at: node)
    }
  }

  /// What the other files add, as `TokenizersBackend.__init__` does.
  ///
  /// - Parameter reAddsNamed: as `Qwen2Tokenizer.__init__` does after it: named special tokens lose their properties.
  mutating func add(_ special: SpecialTokens, reAddsNamed: Bool) throws {
    let names = Set(special.named.map(\.token.value.content))
    func marked(_ token: AddedToken) -> AddedToken {
      var token = token
      token.isSpecial = token.isSpecial || names.contains(token.content)
      return token
    }
    var present = Set(tokens.map(\.token.content))
    for (id, token, node) in special.added {
      present.insert(token.content)
      try add(marked(token), id: id, at: node)
    }
    for (value, node) in special.named.map(\.token) + special.extraTokens where !present.contains(value.content) {
      try add(marked(value.token), id: nil, at: node)
    }
    guard reAddsNamed else { return }
    for (value, node) in special.named.map(\.token) + special.extraTokens {
      try add(AddedToken(value.content, isSpecial: true), id: nil, at: node)
    }
  }
}
