/** Where a command writes. The one place that knows whether a person is looking. */
export interface Terminal {
  /** Redraws and colours are allowed only when true. */
  readonly isTty: boolean;
  /** False when not a TTY or when NO_COLOR is set. */
  readonly hasColor: boolean;
  /** Columns and rows now; 80 × 24 when unknown. */
  readonly size: () => { readonly columns: number; readonly rows: number };
  readonly write: (text: string) => void;
}
