// Chains of dense layers, as the exported networks are: y = activation(W x + b), in float32 like ONNX Runtime.

const ACTIVATIONS = {
  none: (x) => x,
  relu: (x) => (x > 0 ? x : 0),
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
  tanh: Math.tanh,
};

/** Decodes base64 of little-endian float32 numbers. */
export function floats(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}

export class Net {
  /** @param layers A list of {inputs, outputs, weight, bias, activation, clip}; weights are rows of outputs, base64. */
  constructor(layers) {
    this.layers = layers.map((layer) => ({
      ...layer,
      weight: floats(layer.weight),
      bias: floats(layer.bias),
      activation: ACTIVATIONS[layer.activation],
      result: new Float32Array(layer.outputs),
    }));
  }

  /** Returns the network's answer, Float32Array, in memory that the next call overwrites. */
  run(input) {
    let x = input;
    for (const { inputs, outputs, weight, bias, activation, clip, result } of this.layers) {
      for (let row = 0, at = 0; row < outputs; row++) {
        let sum = bias[row];
        for (let column = 0; column < inputs; column++, at++) sum += weight[at] * x[column];
        result[row] = activation(Math.fround(sum));
        if (clip) result[row] = Math.min(clip[1], Math.max(clip[0], result[row]));
      }
      x = result;
    }
    return x;
  }
}
