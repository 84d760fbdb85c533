// Renders templates for tools/parity/chat_templates.py: a case per line on standard input, for each a line of JSON with
// the text or the error on standard output.
import ChatTemplate
import Foundation
import TestSupport

struct Outcome: Encodable {
  var text: String?
  var error: String?
}

let decoder = JSONDecoder()
let encoder = JSONEncoder()
while let line = readLine(strippingNewline: true) {
  let outcome: Outcome
  do {
    outcome = Outcome(text: try decoder.decode(TemplateCase.self, from: Data(line.utf8)).rendered())
  } catch let error as ChatTemplateError {
    outcome = Outcome(error: error.description)
  }
  print(String(decoding: try encoder.encode(outcome), as: UTF8.self))
}
