// A failure of the library, with a code to act on and a line to show.
export class OctavoError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }

  get name() {
    return 'OctavoError';
  }
}
