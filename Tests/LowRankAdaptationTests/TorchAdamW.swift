/// What torch 2.13 gives for the steps of `ValuesTests.adamW`:
///
///     p = torch.nn.Parameter(torch.tensor([0.5, -1.25, 3.0])); o = torch.optim.AdamW([p], lr=0.01, weight_decay=0.1)
///     for g in (0.3, -0.2, 1.5, 1e-7): p.grad = torch.tensor([g, -0.5 * g, 0.25 * g]); o.step()
enum TorchAdamW {
  static let parameters: [Float] = [0.474822968, -1.22182751, 2.96483803]
}
