import ChatTemplate
import Foundation
import TestSupport
import Testing

/// What tools/goldens/chat-templates/make.py wrote.
private func golden<Contents: Decodable>(_ name: String, _ type: Contents.Type) throws -> Contents {
  let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Goldens")
  return try JSONDecoder().decode(type, from: Data(contentsOf: folder.appendingPathComponent(name)))
}

private struct Published: Decodable {
  struct Template: Decodable {
    let source: String
    let texts: [String: String?]
  }
  let variables: [String: TaggedValue]
  let templates: [String: Template]
}

@Suite struct GoldenTests {
  /// The families' templates, over many conversations, as transformers' own `render_jinja_template` renders them.
  @Test func publishedTemplatesRenderAsInTransformers() throws {
    let published = try golden("published.json", Published.self)
    var compared = 0
    for (name, template) in published.templates {
      let read = try ChatTemplate(source: template.source, name: name)
      for (conversation, expected) in template.texts {
        guard case .dictionary(let variables)? = published.variables[conversation]?.value else {
          Issue.record("\(conversation) has no variables")
          continue
        }
        compared += 1
        do {
          let text = try read.render(variables)
          #expect(text == expected && text.utf8.elementsEqual((expected ?? "").utf8), "\(name), \(conversation)")
        } catch {
          #expect(expected == nil, "\(name), \(conversation): \(error)")
        }
      }
    }
    #expect(compared > 1000)
  }

  @Test func randomTemplatesRenderAsInJinja2() throws {
    let cases = try golden("generated.json", [TemplateCase].self)
    #expect(cases.count == 300)
    for template in cases {
      do {
        let text = try template.rendered()
        #expect(text == template.text && text.utf8.elementsEqual((template.text ?? "").utf8), "\(template.name)")
      } catch {
        #expect(template.text == nil, "\(template.name): \(error)")
      }
    }
  }
}
