import Foundation
import Tokenization

/// Sentences on what a model folder holds that the user may not expect: jobs write them on standard error.
public struct ModelRemarks: Sendable, Equatable {
  /// Of the folder, whatever is done with the model.
  public let general: [String]
  /// Where texts are generated, besides.
  public let generating: [String]
  /// Where the model is trained, besides.
  public let training: [String]

  /// - Throws: `TokenizationError`.
  ///
  /// - Parameter files: on the files that the model was read from.
  init(_ chat: ChatPrompt, _ generation: GenerationDefaults, _ tokenizer: Tokenizer, files: [String] = []) throws {
    general = files + chat.remarks
    let other =
      "the chat template begins an answer that is generated otherwise than one that is read: "
      + "what is trained on conversations is not what generation goes on from"
    let beginning = chat.beginsAsGenerated ? [] : [other]
    generating = beginning + generation.remarks
    training = beginning + (try chat.remarkOnEnding(stopTokens: generation.stopTokens, tokenizer))
  }
}

extension ChatPrompt {
  /// An adapter's folder may hold the chat template that it was trained with: the model's is used.
  ///
  /// - Returns: what to say where the two differ.
  public func remarks(onAdapter folder: URL?) -> [String] {
    guard let folder else { return [] }
    do {
      guard let other = try ChatTemplateSource.candidates(in: folder).first, other.sha256 != sha256 else { return [] }
      return [
        "\(other.name) holds another chat template than \(source), which is used; "
          + "--chat-template takes the adapter's where it was trained with that"
      ]
    } catch {
      return ["the chat template in the adapter's folder can't be read, and the model's is used: \(error)"]
    }
  }

  /// Training teaches the token behind the answer; generation must end at it.
  fileprivate func remarkOnEnding(stopTokens: Set<Int32>, _ tokenizer: Tokenizer) throws -> [String] {
    guard !ending.isEmpty else { return [] }
    var text = String.UnicodeScalarView()
    text.append(contentsOf: ending)
    guard let first = try tokenizer.encode(String(text)).ids.first, !stopTokens.contains(first) else { return [] }
    let token = tokenizer.decode([Int(first)], skipSpecialTokens: false)
    return [
      "the chat template puts \(token.debugDescription) after an answer, which training learns as its end, but which is not one of the tokens "
        + "that end what is generated (eos_token_id)"
    ]
  }
}
