/// Qwen2-VL's chat template, for what this program says: a user's turn with one image, and the answer.
///
/// A test proves it equal to the published template.
enum Qwen2VLChat {
  static let imagePlaceholder = "<|image_pad|>"
  /// What ends an answer: the end of the turn, or of the text (`eos_token_id` of the published generation_config.json).
  static let stopTokens = ["<|im_end|>", "<|endoftext|>"]

  /// The text up to where the assistant's answer begins.
  static func question(_ prompt: String) -> String {
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
      + "<|im_start|>user\n<|vision_start|>\(imagePlaceholder)<|vision_end|>\(prompt)<|im_end|>\n"
      + "<|im_start|>assistant\n"
  }

  /// The whole chat, and where the answer stands in it.
  static func render(prompt: String, answer: String) -> RenderedChat {
    let question = question(prompt)
    let start = question.unicodeScalars.count
    return RenderedChat(
      text: question + answer + "<|im_end|>\n", description: start..<start + answer.unicodeScalars.count)
  }
}
