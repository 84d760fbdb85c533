import Figures
import HDF5Store

extension HeadImpactReport {
  /// What the numbers come from.
  static func provenanceSection(_ input: ReportInput) -> Section {
    let skipped = input.reader.skipped
    return Section(
      id: "provenance", title: "Where the numbers come from",
      blocks: [.table(provenance(input))]
        + (skipped.isEmpty
          ? [.paragraph("No sample was skipped.")]
          : [
            .table(
              Table(
                id: "skipped", caption: "\(NumberText.counted(skipped.count, "sample")) could not be used.",
                data: DataTable(
                  [.init("sample", "annotation"), .init("reason", "reason")],
                  skipped.map { [.text(String($0.id)), .text($0.reason)] })))
          ]))
  }

  /// The root attributes in the order in which one asks for them, with words for each.
  private static let names = [
    ("model_name", "model"), ("model_type", "family"), ("model_sha256", "model (SHA-256 of weight files’ headers)"),
    ("weights_sample_sha256", "sampled weights (SHA-256)"),
    ("chat_template_sha256", "chat template (SHA-256)"), ("model_files_sha256", "model files (SHA-256)"),
    ("dataset_name", "dataset"), ("dataset_sha256", "dataset (SHA-256)"), ("system", "system’s turn"),
    ("prompt", "prompt"),
    ("precision", "precision"),
    ("resize", "resize of images"),
    ("limit", "samples asked for"), ("samples_skipped", "samples skipped"),
    ("coverage", "coverage of a cell, more than"),
    ("query", "query row"), ("normalize", "normalisation"), ("views", "views"), ("sink_factor", "sink factor"),
    ("bootstrap_resamples", "bootstrap resamples"), ("seed", "seed of the bootstrap"),
    ("top_layers", "k of the top layers"), ("program_version", "program version"),
    ("format_version", "version of the file’s format"), ("created", "created"),
    ("ranks", "ranks"), ("seconds_scoring", "seconds of scoring"), ("source", "source"),
  ]
  private static let untold: Set<String> = ["title", "Conventions"]

  private static func provenance(_ input: ReportInput) -> Table {
    let attributes = input.reader.attributes
    let known = names.compactMap { name, words in
      attributes.first { $0.name == name }.map { (words, text($0.value, isLimit: name == "limit")) }
    }
    let told = Set(names.map(\.0)).union(untold)
    let others = attributes.filter { !told.contains($0.name) }.map { ($0.name, text($0.value, isLimit: false)) }
    let counts = [("samples", "\(input.table.samples)"), ("images", "\(input.images)")]
    return Table(
      id: "provenance-table", caption: "The run that made the file, and its options.",
      data: DataTable(
        [.init("what", "what"), .init("value", "value")],
        (counts + known + others).map { [.text($0.0), .text($0.1)] }))
  }

  private static func text(_ value: HDF5Attribute, isLimit: Bool) -> String {
    switch value {
    case .integer(0) where isLimit: "all"
    case .string(let text): text
    case .strings(let texts): texts.joined(separator: ", ")
    case .integer(let integer): String(integer)
    case .integers(let integers): integers.map(String.init).joined(separator: ", ")
    case .double(let double): "\(double)"
    case .doubles(let doubles): doubles.map { "\($0)" }.joined(separator: ", ")
    }
  }
}
